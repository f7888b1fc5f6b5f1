// biome-ignore-all lint/suspicious/noTemplateCurlyInString: shells see these, not JavaScript
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { carryOut, deploymentTo, makeArtifact } from '../../rig/deploy/deployments.ts';
import { isRoot, startHosts, type TestHosts } from '../../rig/deploy/hosts.ts';

/** `CANARY` stands for the name of a file that nothing may make. */
const HOSTILE = [
  "x'; touch CANARY; '",
  "'\\''; touch CANARY #",
  '$(touch CANARY)',
  '`touch CANARY`',
  '${IFS}touch${IFS}CANARY',
  '"; touch CANARY; "',
  '\\"; touch CANARY; \\"',
  'a\ntouch CANARY\nb',
  'a\r\ntouch CANARY',
  '| touch CANARY',
  '&& touch CANARY &',
  '; touch CANARY; true',
  '> CANARY',
  '-oProxyCommand=touch CANARY',
  '--checkpoint-action=exec=touch CANARY',
  '../../../../tmp/CANARY',
  '%s%n\\x24(touch CANARY)',
  '\u0001\u001b]0;x\u0007\u202e',
  'é 漢 \u{1f600}',
];

describe.skipIf(!isRoot)('whatever people and repositories call things (as root)', () => {
  let hosts: TestHosts;
  beforeAll(async () => {
    hosts = await startHosts();
  });
  afterAll(() => hosts[Symbol.asyncDispose]());

  test.each(HOSTILE.map((text) => [text.replaceAll('CANARY', '<canary>'), text] as const))(
    '%j',
    async (_, text) => {
      const hostile = text.replaceAll('CANARY', `${hosts.path}-CANARY`);
      const artifact = { ...makeArtifact(hosts.dir, {}), version: hostile, branch: hostile, tag: hostile };
      const names = ['REPRISE_VERSION', 'REPRISE_BRANCH', 'REPRISE_TAG', 'GIVEN', 'TOKEN'];
      const show = `for name in ${names.join(' ')}; do printf '%s\\0' "$(printenv "$name"; printf .)"; done > ../../shown-$REPRISE_RELEASE`;
      const { result, log } = await carryOut(
        deploymentTo(hosts, artifact, {
          by: hostile.slice(0, 200),
          reason: hostile,
          owner: hostile,
          env: { GIVEN: hostile },
          secrets: { TOKEN: hostile },
          environment: {
            restart: show,
            health: { http: `http://127.0.0.1:1/?${encodeURI('$(id)')}'`, run: 'true', timeoutMs: 1 },
          },
          ended: [hostile.slice(0, 128)],
        }),
      );
      // The address answers nobody, so it is undone: all programs have then been given all texts.
      expect(result.status, log).toBe('failed');
      for (const index of [0, 1, 2]) {
        const shown = readFileSync(hosts.at(index, `shown-${result.release}`), 'utf8')
          .split('\0')
          .slice(0, -1);
        expect(shown).toEqual(names.map(() => `${hostile}\n.`));
      }
      const done = await carryOut(deploymentTo(hosts, artifact, { by: 'x', reason: hostile }));
      expect(done.result.outcome, done.log).toBe('done');
      for (const index of [0, 1, 2]) {
        expect(hosts.revisions(index).at(-1)).toMatch(
          /^Branch .* \(at 1a2b3c4\) deployed as release [0-9]{14} by x: /,
        );
        expect(hosts.revisions(index).every((line) => line.startsWith('Branch '))).toBe(true);
        const release = readFileSync(
          hosts.at(index, 'releases', done.result.release, 'RELEASE.json'),
          'utf8',
        );
        expect(JSON.parse(release)).toMatchObject({ branch: hostile, reason: hostile });
      }
      expect(
        readdirSync(hosts.dir)
          .concat(hosts.hosts.flatMap(({ dir }) => readdirSync(dir)))
          .join(),
      ).not.toContain('CANARY');
      expect(existsSync('/tmp/CANARY')).toBe(false);
    },
  );
});
