import { manifestEntry } from '@reprise/runner/protocol.ts';
import { z } from 'zod';
import { artifactSchema } from '../api.ts';

/** The artifacts of one build: all of them, there are few. */
export const artifactListSchema = z.object({ items: z.array(artifactSchema) }).meta({ id: 'ArtifactList' });
export type ArtifactList = z.infer<typeof artifactListSchema>;

/** What an artifact holds, in the order of the bytes of the paths, which are below its top folder. */
export const manifestSchema = z.object({ items: z.array(manifestEntry) }).meta({ id: 'Manifest' });
