import type { EnvironmentAnswer, LiveHost } from '@reprise/server/environments/environment.api.ts';
import type { PromotionAnswer } from '@reprise/server/promotions/promotion.api.ts';
import { rollbackTarget } from '@reprise/ui/promotions/rollback-target.ts';
import { hostOutcome, loadOf, standingOf } from '@reprise/ui/promotions/sentences.ts';
import { matchingServers, serversOf } from '@reprise/ui/promotions/servers.ts';
import { compare } from '@reprise/ui/promotions/standing.ts';
import { expect, test } from 'vitest';

const host = (given: Partial<LiveHost> = {}): LiveHost => ({
  host: 'deploy@web1',
  release: '20260101000000',
  build: 1,
  version: '1.0.0',
  commit: 'a'.repeat(40),
  since: '2026-01-01T00:00:00.000Z',
  by: 'ada',
  reason: 'First',
  isKnown: true,
  healthy: null,
  state: null,
  detail: null,
  differences: [],
  load: null,
  processors: null,
  disk: null,
  lookedAt: null,
  ...given,
});

/** Asked for in the order of their minutes; carried out at `ran`, which is the same unless something held it up. */
function promotion(
  minute: number,
  sha256: string,
  o: { status?: string; ran?: number } = {},
): PromotionAnswer {
  const at = (minutes: number) => new Date(Date.UTC(2026, 0, 1, 0, minutes)).toISOString();
  const { status = 'passed', ran = minute } = o;
  return {
    id: `p${minute}`,
    createdAt: at(minute),
    artifact: { name: 'shop', fileName: 'shop.tar.gz', sha256 },
    deployment: { kind: 'deploy', status, queuedAt: at(ran) },
  } as unknown as PromotionAnswer;
}

const environment = (
  name: string,
  live: PromotionAnswer | null,
  requires: string[] = [],
): EnvironmentAnswer => ({ name, live, requires }) as unknown as EnvironmentAnswer;

test('a roll back goes to the last complete promotion of another artifact, not to what failed or is the same', () => {
  const history = [
    promotion(1, 'one'),
    promotion(2, 'two'),
    promotion(3, 'bad', { status: 'failed' }),
    promotion(4, 'two'),
  ];
  expect(rollbackTarget(history)?.id).toBe('p1');
  expect(rollbackTarget([...history].reverse())?.id).toBe('p1');
  expect(rollbackTarget([promotion(1, 'one'), promotion(2, 'one')])).toBeNull();
  expect(rollbackTarget([])).toBeNull();
});

test('after a roll back the way back leads to what was rolled back', () => {
  expect(rollbackTarget([promotion(1, 'one'), promotion(2, 'two'), promotion(3, 'one')])?.id).toBe('p2');
});

test('environments are alike only where the same bytes are live, and what is required is what follows', () => {
  const [one, two] = [promotion(1, 'one'), promotion(2, 'two')];
  const differing = compare([environment('staging', two), environment('production', one, ['staging'])]);
  expect(differing).toEqual({ same: false, sources: { staging: null, production: two } });
  const alike = compare([environment('staging', one), environment('production', one, ['staging'])]);
  expect(alike).toEqual({ same: true, sources: { staging: null, production: null } });
  expect(compare([environment('staging', null), environment('production', one)]).same).toBeNull();
});

test('what nobody knows is not said to be well, and what was seen goes before what was recorded', () => {
  expect(standingOf(host()).word).toBe('Deployed');
  expect(standingOf(host({ state: 'match' })).word).toBe('As deployed');
  expect(standingOf(host({ state: 'match', isKnown: false })).word).toBe('Not known');
  expect(standingOf(host({ state: 'match', healthy: false })).word).toBe('Not healthy');
  expect(standingOf(host({ state: 'unreachable', isKnown: false })).word).toBe('Does not answer');
  expect(standingOf(host({ release: null })).word).toBe('Nothing live');
});

test('how it went on a host is what was found at the end, with the phase that failed', () => {
  const at = { host: 'deploy@web1', release: null, detail: null };
  expect(hostOutcome({ ...at, phase: null, outcome: null, state: null })).toBe('not begun');
  expect(hostOutcome({ ...at, phase: 'switch', outcome: null, state: null })).toBe('switching…');
  expect(hostOutcome({ ...at, phase: 'health', outcome: 'failed', state: 'previous' })).toBe(
    'health check failed, what was live before is live',
  );
  expect(hostOutcome({ ...at, phase: 'unlock', outcome: 'done', state: 'new' })).toBe(
    'the new release is live',
  );
});

test('load is said with the processors that bear it', () => {
  expect(loadOf({ load: [0.5, 0, 0], processors: 1 })).toBe('0.50 on 1 processor');
  expect(loadOf({ load: null, processors: 4 })).toBeNull();
});

test('two users of one machine are one server, found by any word of what is on it', () => {
  const on = (project: string, ...hosts: LiveHost[]) => ({
    project,
    environments: [{ name: 'production', hosts }] as unknown as EnvironmentAnswer[],
  });
  const servers = serversOf([
    on('shop', host({ host: 'deploy@web2:2222' }), host({ host: 'deploy@web1' })),
    on('bank', host({ host: 'bank@web1', by: 'bob', reason: 'Interest rates' })),
  ]);
  expect(servers.map(({ host, applications }) => [host, applications.length])).toEqual([
    ['web1', 2],
    ['web2', 1],
  ]);
  expect(matchingServers(servers, 'RATES bob').map(({ host }) => host)).toEqual(['web1']);
  expect(matchingServers(servers, 'rates web2')).toEqual([]);
});
