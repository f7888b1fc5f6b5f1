import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ServerConfig } from './config.ts';
import { newToken } from './db/id.ts';
import { Secret } from './secret.ts';

/** Where the administrator's token is kept when the environment gives none. */
export function adminTokenFile(dataDir: string): string {
  return join(dataDir, 'admin-token');
}

/** The configuration with an administrator's token: the given one, or one made on the first start and kept (mode 0400). */
export function withAdminToken(config: ServerConfig): ServerConfig {
  if (config.adminToken) return config;
  const file = adminTokenFile(config.dataDir);
  try {
    writeFileSync(file, `${newToken('rpa')}\n`, { mode: 0o400, flag: 'wx' });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  return { ...config, adminToken: new Secret(readFileSync(file, 'utf8').trim()) };
}
