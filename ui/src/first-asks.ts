/**
 * What each page asks the API for first, by its route (`$1` is what stands in the place of its first part in brackets): the server names it in the document's head, so that the browser asks
 * while the page's program is still on its way. Must be the very addresses the page asks for, else they are asked for twice.
 */
export const FIRST_ASKS: Readonly<Record<string, readonly string[]>> = {
  '/': ['/api/projects?limit=200'],
  '/projects/[project]': ['/api/projects/$1'],
  '/projects/[project]/builds/[number]': ['/api/projects/$1/builds/$2', '/api/projects/$1'],
  '/queue': ['/api/queue?limit=200'],
  '/runners': ['/api/runners'],
};
