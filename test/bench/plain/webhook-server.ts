/**
 * The least that an honest webhook receiver does, as a program: it takes the body, verifies GitHub's signature, parses the
 * JSON and makes one row durable, then answers. Arguments: the database's file, the secret.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import SQLite from 'better-sqlite3';

const [file = '', secret = ''] = process.argv.slice(2);
const sqlite = new SQLite(file);
sqlite.pragma('journal_mode = WAL');
sqlite.pragma('synchronous = FULL');
sqlite.exec(
  'create table deliveries (seq integer primary key, guid text unique, ref text, after text, at integer)',
);
const insert = sqlite.prepare('insert into deliveries (guid, ref, after, at) values (?, ?, ?, ?)');

const server = createServer(async (request, response) => {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk);
  const body = Buffer.concat(chunks);
  const expected = `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`;
  const given = String(request.headers['x-hub-signature-256']);
  if (given.length !== expected.length || !timingSafeEqual(Buffer.from(given), Buffer.from(expected))) {
    response.writeHead(401).end();
    return;
  }
  const { ref, after } = JSON.parse(body.toString());
  const { lastInsertRowid } = insert.run(request.headers['x-github-delivery'], ref, after, Date.now());
  response.writeHead(202, { 'content-type': 'application/json' }).end(`{"build":${lastInsertRowid}}`);
});
server.listen(0, '127.0.0.1', () => {
  console.log(`listening on http://127.0.0.1:${(server.address() as AddressInfo).port}`);
});
