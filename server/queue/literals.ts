import { sql } from 'kysely';

/**
 * Written into the query, not bound: an index that covers only the running attempts (or the open jobs) is used only by a
 * query that says so at the time it is prepared. It keeps these questions as fast with a million attempts as with ten.
 */
export const RUNNING = sql.lit('running' as const);

/** Of a job that may be claimed. */
export const READY = sql.lit(1 as const);

/** Of a job that is in no concurrency group. */
export const NO_GROUP = sql.lit('' as const);

export const isOpen = sql<boolean>`jobs.status in ('queued', 'blocked', 'running')`;

export const isRunning = sql<boolean>`(jobs.status = 'running')`;
