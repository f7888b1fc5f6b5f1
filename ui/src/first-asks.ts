/**
 * What each page asks the API for first, by its route: the server names it in the document's head, so that the browser asks
 * while the page's program is still on its way. Must be the very addresses the page asks for, else they are asked for twice.
 */
export const FIRST_ASKS: Readonly<Record<string, readonly string[]>> = {
  '/': ['/api/projects?limit=200'],
};
