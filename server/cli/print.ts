/** Left-aligned columns, two spaces between; `rows` of equal length. */
export function table(head: string[], rows: string[][]): string {
  const all = [head, ...rows];
  const widths = head.map((_, column) => Math.max(...all.map((row) => (row[column] ?? '').length)));
  return all
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** `1.2 kB`, `3.4 MB`: decimal units, as disks are sold and downloads shown. */
export function bytes(size: number): string {
  const units = ['B', 'kB', 'MB', 'GB'];
  let at = 0;
  let value = size;
  while (value >= 1000 && at < units.length - 1) {
    value /= 1000;
    at += 1;
  }
  return `${at === 0 ? value : value.toFixed(1)} ${units[at]}`;
}

/** How long from one ISO time to another (or now): `4.2 s`, `3 min 5 s`; empty before the start. */
export function duration(from: string | null, to: string | null): string {
  if (from === null) return '';
  const ms = (to === null ? Date.now() : Date.parse(to)) - Date.parse(from);
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`;
  return `${Math.floor(ms / 60_000)} min ${Math.round((ms % 60_000) / 1000)} s`;
}

/** Text from elsewhere without what could steer a terminal. */
export function plain(text: string): string {
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, ' ');
}
