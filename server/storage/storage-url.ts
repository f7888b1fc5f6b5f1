import { Secret } from '../secret.ts';

/** Where S3-compatible storage is, and as whom. `prefix` is empty or ends in a slash. */
export interface S3Settings {
  /** `https://host[:port]` */
  endpoint: string;
  region: string;
  bucket: string;
  prefix: string;
  accessKeyId: string;
  secretAccessKey: Secret;
  sessionToken: Secret | null;
  /** The bucket is the first part of the path (true), or of the host's name. */
  pathStyle: boolean;
  /** Downloads are answered with an address at the storage: people's browsers must be able to reach it. */
  presign: boolean;
}

const OPTIONS = ['region', 'tls', 'style', 'presign'];

/**
 * Reads `s3://KEY:SECRET@HOST[:PORT]/BUCKET[/PREFIX]?region=…&tls=…&style=…&presign=…`. Key and secret may instead come as
 * `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY` (and `AWS_SESSION_TOKEN`), the region as `AWS_REGION`. Problems, which
 * never hold the address itself, are added to the list; null then, and where no address is given.
 */
export function parseStorageUrl(
  text: string | null,
  env: NodeJS.ProcessEnv,
  problems: string[],
): S3Settings | null {
  if (text === null) return null;
  const before = problems.length;
  const problem = (sentence: string) => void problems.push(`STORAGE_URL ${sentence}`);
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url?.protocol !== 's3:' || url.hostname === '' || url.hash) {
    problem(
      'must look like s3://KEY:SECRET@HOST/BUCKET?region=REGION; in KEY and SECRET write / as %2F, + as %2B and @ as %40.',
    );
    return null;
  }
  const [bucket = '', ...folders] = url.pathname.slice(1).split('/').map(decoded).filter(Boolean);
  if (!/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(bucket))
    problem('must name a bucket after the host: 3 to 63 lower-case letters, digits, dots and hyphens.');
  if (folders.some((folder) => !/^[\w.-]+$/.test(folder) || /^\.+$/.test(folder)))
    problem('may have a prefix after the bucket, of letters, digits, dots, hyphens and slashes.');

  const key = decoded(url.username) || env['AWS_ACCESS_KEY_ID']?.trim() || '';
  const secret = decoded(url.password) || env['AWS_SECRET_ACCESS_KEY']?.trim() || '';
  if (key === '' || secret === '')
    problem('needs a key and a secret: s3://KEY:SECRET@…, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.');
  const token = url.username === '' ? env['AWS_SESSION_TOKEN']?.trim() : undefined;

  for (const name of url.searchParams.keys())
    if (!OPTIONS.includes(name)) problem(`knows no option "${name}": ${OPTIONS.join(', ')} may be given.`);
  const choice = (name: string, fallback: string, other: string): string => {
    const value = url.searchParams.get(name) ?? fallback;
    if (value !== fallback && value !== other) problem(`${name} must be ${fallback} or ${other}.`);
    return value;
  };
  const isTls = choice('tls', 'true', 'false') === 'true';
  const pathStyle = choice('style', 'path', 'virtual') === 'path';
  const presign = choice('presign', 'false', 'true') === 'true';
  if (problems.length > before) return null;
  return {
    endpoint: `${isTls ? 'https' : 'http'}://${url.host}`,
    region: url.searchParams.get('region') ?? env['AWS_REGION']?.trim() ?? 'us-east-1',
    bucket,
    prefix: folders.map((folder) => `${folder}/`).join(''),
    accessKeyId: key,
    secretAccessKey: new Secret(secret),
    sessionToken: token ? new Secret(token) : null,
    pathStyle,
    presign,
  };
}

/** As it was before it was written into an address; what is no such writing stays as it is. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
