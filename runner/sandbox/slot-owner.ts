/** Far above what any distribution or directory service gives to people and programs. */
const FIRST = 900_000_000;
/** In a container whose users are mapped, only the first 65,536 exist. */
const FIRST_IN_CONTAINER = 60_000;

/**
 * The user of a root runner's slot: one that nobody else is, another for each slot, so that steps can neither touch what
 * belongs to somebody nor each other. `uidMap` is the text of `/proc/self/uid_map`. `null` where no such user exists,
 * as in a container that knows only root: then steps run as the runner.
 */
export function slotOwner(slot: number, uidMap: string): { uid: number; gid: number } | null {
  const isMapped = (uid: number) =>
    uidMap
      .trim()
      .split('\n')
      .some((line) => {
        const [first = 0, , count = 0] = line.trim().split(/\s+/).map(Number);
        return uid >= first && uid < first + count;
      });
  const uid = [FIRST, FIRST_IN_CONTAINER].map((base) => base + slot).find(isMapped);
  return uid === undefined ? null : { uid, gid: uid };
}
