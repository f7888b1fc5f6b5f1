import { FOURTEEN_DIGITS, type Place, SAY_CURRENT } from './lock.ts';
import type { Program } from './program.ts';
import { MEASURE } from './unpack.ts';

/**
 * Looks and changes nothing: `current`, `reachable` (the link leads to a directory), `release` (each), `lock`, `load`, `processors`,
 * `disk` (df's line in KiB), and, for a live release that was recorded, what measuring says.
 */
export function lookProgram(place: Place, o: { measure: boolean }): Program {
  return {
    values: { ...place, list: 'manifest', thorough: o.measure ? 'yes' : '' },
    body: `${SAY_CURRENT}
[ ! -d "$path/current/." ] || say reachable=
for directory in "$path"/releases/*; do
  case "\${directory##*/}" in ${FOURTEEN_DIGITS}) say "release=\${directory##*/}" ;; esac
done
[ ! -f "$path/.reprise/lock" ] || say "lock=$(cat "$path/.reprise/lock")"
[ ! -r /proc/loadavg ] || say "load=$(cat /proc/loadavg)"
say "processors=$(getconf _NPROCESSORS_ONLN 2>/dev/null)"
[ ! -d "$path" ] || say "disk=$(df -Pk "$path" | tail -n 1)"
${MEASURE}
release=$(readlink "$path/current")
release=\${release##*/}
if [ -n "$thorough" ] && [ -d "$path/current/." ]; then
  [ ! -f "$path/.reprise/$release.paths" ] || say unfinished=
  [ ! -f "$path/.reprise/$release.manifest" ] || measure || say unreadable=
fi`,
  };
}
