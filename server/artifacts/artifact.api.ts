import { type ManifestEntry, manifestEntry } from '@reprise/runner/protocol.ts';
import { z } from 'zod';
import { artifactSchema } from '../api.ts';

/** The artifacts of one build: all of them, there are few. */
export const artifactListSchema = z.object({ items: z.array(artifactSchema) }).meta({ id: 'ArtifactList' });
export type ArtifactList = z.infer<typeof artifactListSchema>;

const [file, directory] = manifestEntry.options;
const link = z.object({
  type: z.literal('link'),
  path: z.string(),
  link: z.string().describe('Its target.'),
});

/** What an artifact holds, in the order of the bytes of the paths, which are below its top folder. */
export const manifestSchema = z
  .object({ items: z.array(z.discriminatedUnion('type', [file, directory, link])) })
  .meta({ id: 'Manifest' });
export type Manifest = z.infer<typeof manifestSchema>;

/** An entry as the API names its members: a link's target is `link`. The stored manifest, which is hashed, stays. */
export function viewEntry(entry: ManifestEntry): z.infer<typeof manifestSchema>['items'][number] {
  return entry.type === 'link' ? { type: 'link', path: entry.path, link: entry.target } : entry;
}
