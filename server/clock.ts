/** A clock that was wrong by more is believed when it is set right: else the time shown would be wrong for days. */
const MOST_HELD_MS = 6 * 3_600_000;

/**
 * The time in milliseconds since 1970, which never goes back when somebody sets the machine's clock back: it then goes on at half the speed
 * until the machine's has caught up. So nothing ends before it began, and what happened later has the later time. `wall` and `elapsed`
 * (milliseconds that nobody can set) are the machine's unless a test gives others.
 */
export function steadyClock({
  wall = Date.now,
  elapsed = () => performance.now(),
}: {
  wall?: () => number;
  elapsed?: () => number;
} = {}): () => number {
  let time = wall();
  let elapsedThen = elapsed();
  return () => {
    const machine = wall();
    const elapsedNow = elapsed();
    const heldBack = time + (elapsedNow - elapsedThen) / 2;
    time = heldBack - machine > MOST_HELD_MS ? machine : Math.max(machine, heldBack);
    elapsedThen = elapsedNow;
    return Math.floor(time);
  };
}
