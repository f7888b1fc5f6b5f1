import { Graph, layout } from '@dagrejs/dagre';

/** A job's box, in pixels from the graph's upper left corner. */
export interface PlacedJob {
  name: string;
  x: number;
  y: number;
}

export interface PlacedEdge {
  from: string;
  to: string;
  /** An SVG path from the right side of one box to the left side of the other. */
  path: string;
}

export interface JobLayout {
  width: number;
  height: number;
  jobs: PlacedJob[];
  edges: PlacedEdge[];
}

/** Of every box: a name is cut to fit, so that nothing moves when a status or a duration changes. */
export const BOX = { width: 196, height: 36 } as const;
const GAP = { column: 40, row: 10, edge: 12 } as const;

/**
 * Places jobs from left to right, each after all it needs. Only names and needs decide, never statuses: a live build's graph
 * stands still. Jobs come from top to bottom as in the plan where the edges leave it free; a need that names no job is left out.
 */
export function layOut(jobs: readonly { name: string; needs: readonly string[] }[]): JobLayout {
  const ids = new Map(jobs.map(({ name }, at) => [name, `job${at}`]));
  const graph = new Graph().setGraph({
    rankdir: 'LR',
    ranksep: GAP.column,
    nodesep: GAP.row,
    edgesep: GAP.edge,
  });
  for (const id of ids.values()) graph.setNode(id, { ...BOX });
  const needs = jobs.flatMap(({ name, needs }) => [...new Set(needs)].map((from) => ({ from, to: name })));
  const known = needs.filter(({ from }) => ids.has(from));
  const ends = known.map(({ from, to }) => [ids.get(from) ?? '', ids.get(to) ?? ''] as const);
  for (const [from, to] of ends) graph.setEdge(from, to, {});
  layout(graph);
  const { width = 0, height = 0 } = graph.graph();
  const middles = jobs.map((_, at) => point(graph.node(`job${at}`)));
  // A picture and its mirror image cross as few edges: the one nearer to the plan's order is taken.
  const mirror = isUpsideDown(middles) ? (p: Point) => ({ x: p.x, y: height - p.y }) : (p: Point) => p;
  return {
    width,
    height,
    jobs: jobs.map(({ name }, at) => ({ name, ...corner(mirror(middles[at] ?? ORIGIN)) })),
    edges: known.map(({ from, to }, at) => {
      const [v, w] = ends[at] ?? ['', ''];
      const bends = (graph.edge(v, w).points ?? []).map(point);
      const through = [point(graph.node(v)), ...between(bends), point(graph.node(w))];
      return { from, to, path: curve(through.map(mirror)) };
    }),
  };
}

type Point = { x: number; y: number };

const ORIGIN: Point = { x: 0, y: 0 };

function point({ x = 0, y = 0 }: Partial<Point>): Point {
  return { x, y };
}

function corner({ x, y }: Point): Point {
  return { x: x - BOX.width / 2, y: y - BOX.height / 2 };
}

/** Whether more pairs of jobs in one column stand against the plan's order than with it. `middles` are in that order. */
function isUpsideDown(middles: readonly Point[]): boolean {
  const signs = middles.flatMap((one, at) =>
    middles.slice(at + 1).map((other) => (other.x === one.x ? Math.sign(other.y - one.y) : 0)),
  );
  return signs.reduce((sum, sign) => sum + sign, 0) < 0;
}

/** Of the points dagre lays an edge through, those in the middle of a column it passes; its first and last touch the boxes. */
function between(bends: readonly Point[]): Point[] {
  const step = BOX.width + GAP.column;
  return bends.slice(1, -1).filter(({ x }) => Math.abs((x - BOX.width / 2) % step) < 1);
}

/** Level through each column, and from column to column in a curve that leaves and arrives level. */
function curve(middles: readonly Point[]): string {
  const [first, ...rest] = middles;
  if (!first) return '';
  let from = { x: first.x + BOX.width / 2, y: first.y };
  let path = `M${at(from)}`;
  for (const [index, middle] of rest.entries()) {
    const to = { x: middle.x - BOX.width / 2, y: middle.y };
    const half = (from.x + to.x) / 2;
    path += `C${at({ x: half, y: from.y })} ${at({ x: half, y: to.y })} ${at(to)}`;
    from = { x: middle.x + BOX.width / 2, y: middle.y };
    if (index < rest.length - 1) path += `L${at(from)}`;
  }
  return path;
}

function at({ x, y }: Point): string {
  return `${Math.round(x * 10) / 10},${Math.round(y * 10) / 10}`;
}
