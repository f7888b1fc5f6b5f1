import { againstLongPast } from './long-past.ts';

/** What the first pages of the interface ask for. */
export const projectList = againstLongPast({
  name: 'project-list',
  what: 'the projects with their latest builds, and the builds that wait for a yes, with 100,000 builds in the database',
  asked: () => ['/api/projects', '/api/projects/long', '/api/builds?status=blocked'],
});
