const DAY = new Intl.DateTimeFormat('en-GB', {
  weekday: 'long',
  day: 'numeric',
  month: 'long',
  year: 'numeric',
});

/** Things that happened, by the viewer's own days, in the order given: for records, where "5m ago" says too little. */
export function byDay<Item extends { at: string }>(
  items: readonly Item[],
  now: number,
): { day: string; items: Item[] }[] {
  const days: { day: string; items: Item[] }[] = [];
  for (const item of items) {
    const day = dayOf(Date.parse(item.at), now);
    const last = days.at(-1);
    if (last?.day === day) last.items.push(item);
    else days.push({ day, items: [item] });
  }
  return days;
}

/** "14:03", in the viewer's own time zone. */
export function timeOfDay(at: string): string {
  return new Date(at).toLocaleTimeString('en-GB', { hour: '2-digit', minute: '2-digit' });
}

function dayOf(at: number, now: number): string {
  const day = DAY.format(at);
  if (day === DAY.format(now)) return 'Today';
  const yesterday = new Date(now);
  yesterday.setDate(yesterday.getDate() - 1);
  return day === DAY.format(yesterday) ? 'Yesterday' : day;
}
