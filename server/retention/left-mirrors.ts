import type { Services } from '../services.ts';

/**
 * Removes this server's mirrors of projects that were removed at another one. A disk of which no mirror is of this installation's projects is
 * another installation's: there nothing is removed.
 */
export async function removeLeftMirrors({
  db,
  mirrors,
  log,
}: Pick<Services, 'db' | 'mirrors' | 'log'>): Promise<void> {
  const held = await mirrors.onDisk();
  // Looked up afterwards: a project is recorded before it has a mirror.
  const projects = await db.selectFrom('projects').select('id').execute();
  const known = new Set(projects.map(({ id }) => id));
  const left = held.filter((id) => !known.has(id));
  if (left.length === held.length) return;
  for (const id of left) {
    try {
      await mirrors.remove({ id });
      log.info({ mirror: id }, 'the mirror of a project that is no more was removed');
    } catch (error) {
      log.warn(
        { err: error, mirror: id },
        'the mirror of a project that is no more could not be removed yet',
      );
    }
  }
}
