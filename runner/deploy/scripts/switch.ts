import { FOURTEEN_DIGITS, type Place, SAY_CURRENT } from './lock.ts';
import type { Program } from './program.ts';

/**
 * Makes `current` lead to `target` in one step: a link of a name that nobody else uses is renamed over it, and then read back.
 * An empty `target` removes it, which is how a host that had nothing live is put back. Says `current=` as it was before.
 */
export function switchProgram(place: Place, o: { token: string; target: string }): Program {
  return {
    values: { ...place, token: o.token, target: o.target },
    body: `cd -P -- "$path" || fail "$path cannot be entered."
${SAY_CURRENT}
[ -L current ] || [ ! -e current ] || fail "$path/current is no link; nothing was switched."
if [ -z "$target" ]; then rm -f current
else
  [ -d "$target" ] || fail "$target is not there; nothing was switched."
  new=.current.$token
  rm -f "$new"
  ln -s -- "$target" "$new" && mv -T -- "$new" current || { rm -f "$new"; fail "$path/current could not be switched."; }
fi
now=$(readlink current)
[ "$now" = "$target" ] || fail "$path/current leads to $now after it was switched to $target."`,
  };
}

/** Leaves or removes the note that a host was taken out of HAProxy by us, so that a later deployment puts it back. */
export function drainedProgram(place: Place, o: { id: string; drained: boolean }): Program {
  return {
    values: { ...place, id: o.id, drained: o.drained ? 'yes' : '' },
    body: `note=$path/.reprise/drained
if [ -n "$drained" ]; then printf '%s\\n' "$id" > "$note" || fail "$note could not be written."
else rm -f "$note"
fi`,
  };
}

/**
 * Ends a deployment on a host: the release counts as good from now on, the log of revisions gets its line, and old releases go:
 * all of ours that never were good, and of the others all but the newest `keep`. The live one and those of `protect` always stay.
 * Says `removed=` each.
 */
export function finishProgram(
  place: Place,
  o: { release: string; line: string; keep: number; protect: readonly string[] },
): Program {
  return {
    values: { ...place, release: o.release, line: o.line, keep: String(o.keep) },
    words: o.protect,
    body: `cd -P -- "$path/releases" || fail "$path/releases cannot be entered."
: > "../.reprise/$release.live" && printf '%s\\n' "$line" >> ../revisions.log || fail "$path/revisions.log could not be written."
live=$(readlink ../current)
live=\${live##*/}
kept=0
for name in $(ls -1 | grep -x '${FOURTEEN_DIGITS}' | LC_ALL=C sort -r); do
  stays=
  for one in "$live" "$@"; do [ "$one" != "$name" ] || stays=yes; done
  if [ -n "$stays" ]; then kept=$((kept + 1)); continue; fi
  made=../.reprise/$name
  if [ -f "$made.live" ] || { [ ! -f "$made.paths" ] && [ ! -f "$made.manifest" ]; }; then
    if [ "$kept" -lt "$keep" ]; then kept=$((kept + 1)); continue; fi
  fi
  mv -T -- "$name" "$name.tmp" && rm -rf -- "$name.tmp" && rm -f -- "$made.paths" "$made.manifest" "$made.live"
  say "removed=$name"
done`,
  };
}

/** Removes a release that did not become live, so that nobody takes it for one that was. */
export function discardProgram(place: Place, release: string): Program {
  return {
    values: { ...place, release },
    body: `live=$(readlink "$path/current")
[ "\${live##*/}" != "$release" ] || fail "Release $release is live and stays."
cd -P -- "$path/releases" || fail "$path/releases cannot be entered."
made=../.reprise/$release
[ ! -e "$release" ] || mv -T -- "$release" "$release.tmp" || fail "Release $release could not be removed."
rm -rf -- "$release.tmp" && rm -f -- "$made.paths" "$made.manifest" "$made.tar.gz" || fail "Release $release could not be removed."`,
  };
}
