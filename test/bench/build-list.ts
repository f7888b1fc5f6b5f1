import { againstLongPast } from './long-past.ts';

const LIST = '/api/projects/long/builds?limit=20';

/** The first page, one in the middle, and a filter that finds nothing: the three a bad index would show in. */
export const buildList = againstLongPast({
  name: 'build-list',
  what: "a project's latest 20 builds, one page further, and its failed ones, with 100,000 builds in the database",
  asked: (middle) => [LIST, `${LIST}&before=${middle}`, `${LIST}&status=failed`],
});
