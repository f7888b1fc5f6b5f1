/** What a list of projects is searched by. */
export interface Searched {
  name: string;
  cloneUrl: string;
  github: string | null;
}

/** The projects in which every word is found, in name or address, by name; those whose name begins so come first. */
export function matching<Project extends Searched>(projects: readonly Project[], query: string): Project[] {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  const begins = ({ name }: Project) => words.length > 0 && name.startsWith(words[0] ?? '');
  return projects
    .filter(({ name, cloneUrl, github }) => {
      const text = `${name} ${github ?? ''} ${cloneUrl}`.toLowerCase();
      return words.every((word) => text.includes(word));
    })
    .sort((a, b) => Number(begins(b)) - Number(begins(a)) || (a.name < b.name ? -1 : 1));
}
