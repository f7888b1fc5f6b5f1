import type { Figure } from './benchmark.ts';
import { pick, type Reading } from './measure.ts';

type Times = Reading<'p50' | 'p99'>;

/** What something costs (ms) with 100,000 builds kept, and with 10,000, each held against what it costs with 1,000. */
export function curve(name: string, times: Record<'many' | 'some' | 'few', readonly Times[]>): Figure[] {
  const words = { p50: 'half of them', p99: '99 of 100' } as const;
  return (['p50', 'p99'] as const).flatMap((which) => {
    const plain = pick(times.few, which);
    const figure = { name: `${name}, ${words[which]}`, unit: 'ms', plain } as const;
    return [
      { ...figure, ours: pick(times.many, which) },
      { ...figure, name: `${figure.name}, with 10,000`, ours: pick(times.some, which) },
    ];
  });
}
