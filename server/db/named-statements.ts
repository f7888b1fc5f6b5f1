/** Each is kept by every connection. This program has some hundreds, and more by the lengths of their lists. */
const MOST_NAMES = 500;
/** What has more parameters is a list of some length, which may never come again. */
const MOST_PARAMETERS = 40;

/**
 * Names for statements that PostgreSQL is to remember: a text that has a name it reads once only, which takes as long as
 * carrying out most of them. undefined: that one is not worth it.
 */
export function statementNames(): (text: string, parameters: number) => string | undefined {
  const names = new Map<string, string>();
  return (text, parameters) => {
    if (parameters === 0 || parameters > MOST_PARAMETERS) return undefined;
    const known = names.get(text);
    if (known !== undefined || names.size >= MOST_NAMES) return known;
    const name = `s${names.size}`;
    names.set(text, name);
    return name;
  };
}
