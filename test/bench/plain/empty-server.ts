/**
 * A server of the same libraries as Reprise's that does nothing: what they cost in memory and time to start. Argument: the
 * database's file.
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import SQLite from 'better-sqlite3';
import express from 'express';
import { Kysely, SqliteDialect } from 'kysely';
import { Server } from 'socket.io';
import { z } from 'zod';

const [file = ''] = process.argv.slice(2);
const database = new SQLite(file);
database.pragma('journal_mode = WAL');
const db = new Kysely<{ notes: { text: string } }>({ dialect: new SqliteDialect({ database }) });
await db.schema.createTable('notes').ifNotExists().addColumn('text', 'text').execute();
const answer = z.object({ status: z.literal('ok') });

const app = express();
app.get('/healthz', (_request, response) => {
  response.json(answer.parse({ status: 'ok' }));
});
const server = createServer(app);
new Server(server, { serveClient: false, transports: ['websocket'] });
server.listen(0, '127.0.0.1', () => {
  console.log(`listening on http://127.0.0.1:${(server.address() as AddressInfo).port}`);
});
