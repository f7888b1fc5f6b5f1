/** The database cannot be reached, broke off or did not answer in time. Of a transaction nothing was kept; it may be tried again. */
export class DatabaseAway extends Error {
  constructor(sentence: string, cause: unknown) {
    super(sentence, { cause });
    this.name = 'DatabaseAway';
  }
}
