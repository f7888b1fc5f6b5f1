import { z } from 'zod';
import { pipelineFile } from './file.schema.ts';

/**
 * The pipeline language as JSON Schema 2020-12, for editors. It describes shapes; what holds between the parts of a file
 * (needs, inputs, expressions) only `parsePipeline` can tell.
 */
export function pipelineJsonSchema(): Record<string, unknown> {
  const { $schema, ...rest } = z.toJSONSchema(pipelineFile, { io: 'input', target: 'draft-2020-12' });
  return {
    $schema,
    $id: 'urn:reprise:pipeline:1',
    title: 'Reprise pipeline file',
    description:
      'How a commit is built: jobs, their steps, what they make, and where that can be promoted to.',
    ...rest,
  };
}
