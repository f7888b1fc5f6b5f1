import { Refusal } from '../http/refusal.ts';

/** GitHub's payloads nest below 10 deep; deeper input is somebody trying to exhaust a stack. */
const MOST_DEPTH = 64;

/** The JSON of a verified body: the body itself, or its form field `payload`. Refuses what is neither, or nested too deep. */
export function parsePayload(body: Buffer, contentType: string | undefined): unknown {
  const json = jsonText(body, contentType);
  if (isDeeper(json, MOST_DEPTH)) {
    throw malformed('payload', `is nested deeper than ${MOST_DEPTH} levels`);
  }
  try {
    return JSON.parse(json);
  } catch (cause) {
    throw malformed('payload', `is not JSON: ${(cause as Error).message}`);
  }
}

export function malformed(field: string, message: string): Refusal {
  return new Refusal(400, 'bad-request', `${field}: ${message}.`, { errors: [{ field, message }] });
}

function jsonText(body: Buffer, contentType = 'application/json'): string {
  const type = contentType.split(';', 1)[0]?.trim().toLowerCase();
  if (type === 'application/json') return body.toString('utf8');
  if (type === 'application/x-www-form-urlencoded') {
    const payload = new URLSearchParams(body.toString('utf8')).get('payload');
    if (payload === null) throw malformed('payload', 'is missing in the form');
    return payload;
  }
  throw new Refusal(
    415,
    'not-supported',
    `A webhook's content type is application/json or application/x-www-form-urlencoded, not ${type}.`,
  );
}

/** Counts brackets outside strings, so that nothing recursive ever sees deep input. */
function isDeeper(json: string, most: number): boolean {
  let depth = 0;
  let inString = false;
  for (let at = 0; at < json.length; at += 1) {
    const char = json.charCodeAt(at);
    if (char === 0x22) inString = !inString;
    else if (inString) {
      if (char === 0x5c) at += 1;
    } else if (char === 0x7b || char === 0x5b) {
      depth += 1;
      if (depth > most) return true;
    } else if (char === 0x7d || char === 0x5d) depth -= 1;
  }
  return false;
}
