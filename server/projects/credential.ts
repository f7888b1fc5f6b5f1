import type { Project } from '../db/schema.ts';
import type { CloneUrl } from '../git/clone-url.ts';
import { makeDeployKey } from '../git/deploy-key.ts';
import { Refusal } from '../http/refusal.ts';
import { purposes, type Vault } from '../vault.ts';
import type { GivenCredential } from './project.api.ts';

export type CredentialColumns = Pick<Project, 'credential_kind' | 'credential' | 'public_key'>;

/** What is stored of a credential: the secret half sealed for this project, the public half of a new deploy key as it is. */
export function sealCredential(
  vault: Vault,
  project: Pick<Project, 'id' | 'name'>,
  given: GivenCredential,
): CredentialColumns {
  const seal = (plain: string) => vault.seal(plain, purposes.credential(project.id));
  if (given.kind === 'token')
    return { credential_kind: 'token', credential: seal(given.token), public_key: null };
  if (given.kind === 'none') return { credential_kind: 'none', credential: null, public_key: null };
  const { privateKey, publicKey } = makeDeployKey(`reprise-${project.name}`);
  return { credential_kind: 'deploy-key', credential: seal(privateKey), public_key: publicKey };
}

/** Refuses a credential that the address could not use. */
export function assertFits(url: CloneUrl, kind: Project['credential_kind']): void {
  const overHttp = url.protocol === 'https' || url.protocol === 'http';
  if (kind === 'token' && !overHttp)
    throw badCredential('A token is for https:// clone addresses. For SSH use {"kind": "deploy-key"}.');
  if (kind === 'deploy-key' && url.protocol !== 'ssh')
    throw badCredential(
      'A deploy key is for SSH clone addresses (git@host:owner/name.git). For https:// use a token.',
    );
}

function badCredential(message: string): Refusal {
  return new Refusal(400, 'bad-request', message, { errors: [{ field: 'credential', message }] });
}
