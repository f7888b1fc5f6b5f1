import type { Program } from './program.ts';

/** Of every program: where the environment is, and for `local` the directory that it must not leave (else empty). */
export interface Place {
  path: string;
  root: string;
}

/**
 * Makes the directories and takes the host's lock: a file that appears at once with its content, by a link that fails where
 * there is one. A lock that a deployment of `ended` left is moved aside first, unless one of its commands is still running. What an
 * earlier try left beside the lock because its host died goes.
 * Says what is there: `took` (whose lock was taken over), `current` (the link's target), `live` (what that release says of itself),
 * `release` (each), `drained`.
 */
export function lockProgram(
  place: Place,
  o: { id: string; token: string; text: string; ended: readonly string[] },
): Program {
  return {
    values: { ...place, id: o.id, token: o.token, text: o.text },
    words: o.ended,
    body: `for tool in tar gzip sha256sum mv ln readlink find xargs dd df; do
  command -v "$tool" >/dev/null || fail "The host has no $tool, without which nothing can be deployed to it."
done
first=$path
while [ ! -e "$first" ]; do first=\${first%/*}; [ -n "$first" ] || first=/; done
inside "$first"
mkdir -p -- "$path/releases" "$path/shared" "$path/.reprise" || fail "$path cannot be made or written to by $(id -un)."
for directory in "$path" "$path/releases" "$path/shared" "$path/.reprise"; do inside "$directory"; done
cd -P -- "$path/.reprise" || fail "$path/.reprise cannot be entered."
mine=lock.$token
printf '%s\\n' "$text" > "$mine" && mv -T "$mine" "$mine.new" || fail "$path cannot be written to, or mv has no option -T."
mine=$mine.new
trap 'rm -f "$mine"' EXIT
[ ! -d lock ] || fail "$path/.reprise/lock is a directory, and no lock of Reprise's."
if ! ln "$mine" lock 2>/dev/null; then
  [ -f lock ] || fail "$path/.reprise/lock cannot be made."
  holder=$(sed -n '1s/^deployment //p' lock)
  known=
  for ended do [ "$holder" != "$ended" ] || known=yes; done
  [ -n "$known" ] || { say "held=$(cat lock)"; fail "locked"; }
  if [ -f command ] && read -r pid < command && kill -0 "$pid" 2>/dev/null; then
    fail "Deployment $holder has ended, but a command that it started still runs as process $pid. Wait for it or end it."
  fi
  rm -f command
  mv -T lock "lock.$token.old" && ln "$mine" lock || fail "The lock of $holder could not be taken over."
  rm -f "lock.$token.old"
  say "took=$holder"
fi
for left in lock.*.new lock.*.old; do [ "$left" = "$mine" ] || rm -f "$left"; done
${SAY_CURRENT}
for directory in "$path"/releases/*; do
  name=\${directory##*/}
  case "$name" in
    ${FOURTEEN_DIGITS}.tmp) rm -rf -- "$directory" ;;
    ${FOURTEEN_DIGITS}) say "release=$name" ;;
  esac
done
[ ! -f "$path/current/RELEASE.json" ] || say "live=$(dd if="$path/current/RELEASE.json" bs=65536 count=8 2>/dev/null)"
[ ! -f drained ] || say "drained=$(cat drained)"`,
  };
}

/** Gives the lock back, if it is this deployment's, and says `current` once more. */
export function unlockProgram(place: Place, id: string): Program {
  return {
    values: { ...place, id },
    body: `cd -P -- "$path/.reprise" || fail "$path/.reprise cannot be entered."
if [ -f lock ] && [ "$(sed -n '1s/^deployment //p' lock)" = "$id" ]; then
  rm -f lock || fail "$path/.reprise/lock could not be removed."
fi
${SAY_CURRENT}`,
  };
}

/** What `current` is: `current=` its target, or `occupied=` where it is no link. */
export const SAY_CURRENT = `if [ -L "$path/current" ]; then say "current=$(readlink "$path/current")"
elif [ -e "$path/current" ]; then say occupied=
fi`;

/** A pattern of `case`: a release's name. */
export const FOURTEEN_DIGITS = '[0-9]'.repeat(14);
