/** Of the server's environment, what git needs to find its parts and the way out: proxies and certificates. */
const PASSED = [
  'PATH',
  'http_proxy',
  'https_proxy',
  'all_proxy',
  'no_proxy',
  'HTTPS_PROXY',
  'ALL_PROXY',
  'NO_PROXY',
  'SSL_CERT_FILE',
  'SSL_CERT_DIR',
  'GIT_SSL_CAINFO',
  'GIT_SSL_CAPATH',
] as const;

/**
 * The whole environment of every git that Reprise starts. No system or user configuration, no prompt, no credential
 * helper; only the transports in `protocols` (`https`, `ssh`, `file`).
 */
export function gitEnvironment(
  outer: Readonly<Record<string, string | undefined>>,
  protocols: readonly string[],
): Record<string, string> {
  const env: Record<string, string> = {
    PATH: '/usr/local/bin:/usr/bin:/bin',
    HOME: '/nonexistent',
    LC_ALL: 'C',
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_ATTR_NOSYSTEM: '1',
    GIT_TERMINAL_PROMPT: '0',
    GIT_ASKPASS: '/bin/false',
    GIT_ALLOW_PROTOCOL: protocols.join(':'),
    GIT_LFS_SKIP_SMUDGE: '1',
    GIT_NO_REPLACE_OBJECTS: '1',
  };
  for (const name of PASSED) {
    const value = outer[name];
    if (value) env[name] = value;
  }
  return env;
}
