import type { Kysely } from 'kysely';
import { z } from 'zod';
import { artifactsOf } from '../builds/build.store.ts';
import { viewArtifacts } from '../builds/build.view.ts';
import { findBuild } from '../builds/find.ts';
import type { Artifact, Database } from '../db/schema.ts';
import { notFound } from '../http/refusal.ts';
import { type Route, route, STREAMED } from '../http/route.ts';
import { sendAll, sendBytes } from '../http/send-bytes.ts';
import type { Services } from '../services.ts';
import { type ArtifactList, artifactListSchema, manifestSchema, viewEntry } from './artifact.api.ts';
import type { BlobStore } from './blob.store.ts';
import { readManifest } from './manifest.ts';

const params = z.object({ project: z.string(), number: z.coerce.number().int().positive() });
const named = params.extend({ fileName: z.string() });

/** What a build made: the list, each tarball, and what is in it. */
export function artifactRoutes(services: Services): Route[] {
  const { reader, blobs } = services;
  const artifacts = '/api/projects/:project/builds/:number/artifacts';
  return [
    route({
      method: 'get',
      path: artifacts,
      policy: 'viewer',
      summary: "A build's artifacts.",
      params,
      answer: artifactListSchema,
      async handle({ params: { project, number } }): Promise<ArtifactList> {
        const build = await findBuild(reader, project, number);
        const rows = await artifactsOf(reader, [build.id]);
        return { items: await viewArtifacts(services, project, build, rows) };
      },
    }),
    route({
      method: 'get',
      path: `${artifacts}/:fileName`,
      policy: 'viewer',
      summary: 'An artifact: a gzipped tarball, verified against its sha256 before the first byte.',
      params: named,
      async handle(call) {
        const { sha256, file_name, size } = await findArtifact(reader, call.params);
        const fileName = file_name.replace(/[^\w.+-]/g, '_');
        const file = { fileName, type: 'application/gzip' };
        const link = call.request.method === 'GET' ? await blobs.link(sha256, file) : null;
        if (link !== null) {
          call.response.redirect(307, link);
          return STREAMED;
        }
        return sendBytes(call, {
          size,
          etag: `"${sha256}"`,
          headers: {
            'Content-Type': file.type,
            'Content-Disposition': `attachment; filename="${fileName}"`,
            'Repr-Digest': `sha-256=:${Buffer.from(sha256, 'hex').toString('base64')}:`,
            'Cache-Control': 'private, no-cache',
          },
          open: async (range) => (await blobs.openVerified(sha256, range)).stream,
        });
      },
    }),
    route({
      method: 'get',
      path: `${artifacts}/:fileName/manifest`,
      policy: 'viewer',
      summary: 'What an artifact holds.',
      params: named,
      answer: manifestSchema,
      async handle({ params, response }) {
        const { manifest_sha256 } = await findArtifact(reader, params);
        const json = manifestJson(blobs, manifest_sha256);
        // A manifest that cannot be read is a problem answer, not half a document.
        const { value: start } = await json.next();
        response.type('application/json');
        await sendAll(startingWith(start ?? '', json), response);
        return STREAMED;
      },
    }),
  ];
}

async function findArtifact(
  db: Kysely<Database>,
  { project, number, fileName }: z.infer<typeof named>,
): Promise<Artifact> {
  const build = await findBuild(db, project, number);
  const artifact = await db
    .selectFrom('artifacts')
    .selectAll()
    .where('build_id', '=', build.id)
    .where('file_name', '=', fileName)
    .executeTakeFirst();
  if (!artifact) throw notFound(`Artifact ${fileName} of build ${project} #${number}`);
  return artifact;
}

/** A manifest may have half a million entries: it is sent as it is read. */
async function* manifestJson(blobs: BlobStore, sha256: string): AsyncGenerator<string> {
  let text = '{"items":[';
  let first = true;
  for await (const entry of readManifest(blobs, sha256)) {
    text += (first ? '' : ',') + JSON.stringify(viewEntry(entry));
    first = false;
    if (text.length < 64 * 1024) continue;
    yield text;
    text = '';
  }
  yield `${text}]}`;
}

async function* startingWith(start: string, rest: AsyncGenerator<string>): AsyncGenerator<string> {
  yield start;
  yield* rest;
}
