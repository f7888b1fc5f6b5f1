/** The expected "no" of packing and unpacking: a sentence for the job's log. Caught where a verb begins, never above it. */
export class ArtifactProblem extends Error {
  constructor(sentence: string) {
    super(sentence);
    this.name = 'ArtifactProblem';
  }
}
