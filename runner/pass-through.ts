import { statSync } from 'node:fs';

/** Where a certificate bundle may be and still be seen inside a sandbox, besides the operator's own mounts. */
const VISIBLE = ['/usr', '/etc/ssl', '/etc/ca-certificates', '/etc/pki'];

const PROXIES = ['HTTP_PROXY', 'HTTPS_PROXY', 'FTP_PROXY', 'ALL_PROXY', 'NO_PROXY'];

/** Each names a file or a directory of certificates. */
const CERTIFICATES = [
  'NODE_EXTRA_CA_CERTS',
  'SSL_CERT_FILE',
  'SSL_CERT_DIR',
  'CURL_CA_BUNDLE',
  'REQUESTS_CA_BUNDLE',
  'GIT_SSL_CAINFO',
  'GIT_SSL_CAPATH',
  'PIP_CERT',
  'AWS_CA_BUNDLE',
  'CARGO_HTTP_CAINFO',
  'HTTPLIB2_CA_CERTS',
  'GRPC_DEFAULT_SSL_ROOTS_FILE_PATH',
  'NIX_SSL_CERT_FILE',
];

/**
 * Where packages come from. A list of names and no pattern: a runner that was started through `npm run` carries dozens of
 * `npm_…` variables that npm put there for itself.
 */
const REGISTRIES = [
  'npm_config_registry',
  'NPM_CONFIG_REGISTRY',
  'YARN_NPM_REGISTRY_SERVER',
  'PIP_INDEX_URL',
  'PIP_EXTRA_INDEX_URL',
  'PIP_TRUSTED_HOST',
  'UV_INDEX_URL',
  'UV_DEFAULT_INDEX',
  'GOPROXY',
  'GONOSUMDB',
  'GOSUMDB',
  'GOPRIVATE',
  'CARGO_REGISTRIES_CRATES_IO_PROTOCOL',
  'BUNDLE_MIRROR__ALL',
  'COMPOSER_MIRROR_PATH_REPOS',
];

/** The runner's variables that steps see unless the operator names others: what a build needs to reach its packages. */
export const DEFAULT_STEP_ENV: readonly string[] = [
  ...PROXIES,
  ...PROXIES.map((name) => name.toLowerCase()),
  ...CERTIFICATES,
  ...REGISTRIES,
];

/**
 * The named variables with their values. One that names a certificate bundle is left out when steps could not see that
 * path: a tool told to read a file that is not there refuses to start, while without the variable most find the system's.
 */
export function passThrough(
  env: NodeJS.ProcessEnv,
  names: readonly string[],
  mounts: readonly string[],
): Record<string, string> {
  const seen: Record<string, string> = {};
  for (const name of names) {
    const value = env[name];
    if (value === undefined || value === '') continue;
    if (CERTIFICATES.includes(name) && !isVisible(value, mounts)) continue;
    seen[name] = value;
  }
  return seen;
}

function isVisible(path: string, mounts: readonly string[]): boolean {
  const below = [...VISIBLE, ...mounts].some((root) => path === root || path.startsWith(`${root}/`));
  return below && statSync(path, { throwIfNoEntry: false }) !== undefined;
}
