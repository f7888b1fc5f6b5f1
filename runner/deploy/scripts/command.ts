import type { Place } from './lock.ts';
import type { Program } from './program.ts';

/**
 * Runs a command of the pipeline file in a release's own directory (`target`, as `current` would name it; never `current` itself,
 * which may move), in a session of its own, with nothing on standard input. Says `code=` what it ended with. Its process is named in `.reprise/command` meanwhile.
 *
 * The line `stop` on the program's standard input ends it (TERM, and KILL ten seconds later). The end of the input does not:
 * a connection that breaks must not kill a migration in the middle. Who waits for the line is gone before the program ends: what
 * comes next is another program.
 */
export function commandProgram(
  place: Place,
  o: { target: string; command: string; exported: Record<string, string> },
): Program {
  return {
    values: { ...place, target: o.target, command: o.command },
    exported: o.exported,
    body: `cd -P -- "$path" && cd -P -- "$target" || fail "$target cannot be entered."
inside .
note=$path/.reprise/command
if command -v bash >/dev/null; then set -- bash -eo pipefail -c "$command"; else set -- sh -e -c "$command"; fi
own=
if command -v setsid >/dev/null; then set -- setsid "$@"; own=-; fi
exec 4<&0
( umask "$umask_before"; exports; exec "$@" ) </dev/null 3>&- 4<&- &
pid=$!
printf '%s\\n' "$pid" > "$note"
(
  IFS= read -r word <&4
  [ "$word" = stop ] || exit 0
  kill -TERM "$own$pid"
  sleep 10
  kill -KILL "$own$pid"
) </dev/null >/dev/null 2>&1 3>&- &
watcher=$!
exec 4<&-
wait "$pid"
code=$?
{ kill "$watcher"; wait "$watcher"; } 2>/dev/null
rm -f "$note"
say "code=$code"`,
  };
}

/** Asks an address once, as the host sees it, and says `code=` the status of the answer, 000 without one. */
export function httpProgram(url: string, seconds: number): Program {
  const { protocol, hostname, port, pathname, search } = new URL(url);
  return {
    values: {
      root: '',
      url,
      seconds: String(seconds),
      host: hostname.replace(/^\[|\]$/g, ''),
      named: hostname,
      port: port || (protocol === 'https:' ? '443' : '80'),
      target: pathname + search,
      protocol,
    },
    body: `if command -v curl >/dev/null; then
  code=$(curl -q -g -s -o /dev/null --noproxy '*' --max-time "$seconds" -w '%{http_code}' -- "$url" 2>/dev/null)
elif command -v wget >/dev/null; then
  set -- -q -O /dev/null -T "$seconds"
  ! wget --version 2>/dev/null | grep -q GNU || set -- "$@" --tries=1 --no-proxy --max-redirect=0
  if wget "$@" "$url" >/dev/null 2>&1; then code=200; else code=000; fi
elif [ "$protocol" = http: ] && command -v bash >/dev/null; then
  code=$(bash -c 'exec 5<>"/dev/tcp/$1/$2" && printf "GET %s HTTP/1.0\\r\\nHost: %s:%s\\r\\n\\r\\n" "$4" "$3" "$2" >&5 &&
    IFS=" " read -r -t "$5" version code rest <&5 && printf %s "$code"' bash "$host" "$port" "$named" "$target" "$seconds" 2>/dev/null)
else
  fail "The host has neither curl nor wget, so it cannot ask $url; use health with run."
fi
say "code=\${code:-000}"`,
  };
}
