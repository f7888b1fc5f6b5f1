/** Everything is drawn in the browser, from the API: the server sends one and the same page to everybody. */
export const ssr = false;
export const prerender = false;
