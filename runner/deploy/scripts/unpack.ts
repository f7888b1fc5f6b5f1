import type { Place } from './lock.ts';
import type { Program } from './program.ts';

/**
 * Takes the artifact from standard input, proves its digest, and makes a release of it in a directory beside, which gets its
 * name only when it is complete: content, `REVISION`, `REVISION_TIME`, `RELEASE.json`, links to what is shared. The
 * artifact's own paths are left in `.reprise/<release>.paths`.
 */
export function unpackProgram(
  place: Place,
  o: {
    release: string;
    sha256: string;
    /** The only folder at the top of the archive. */
    top: string;
    shared: readonly string[];
    revision: string;
    revisionTime: string;
    releaseJson: string;
  },
): Program {
  const { shared, ...values } = o;
  return {
    values: { ...place, ...values },
    words: shared,
    body: `archive=$path/.reprise/$release.tar.gz
tmp=$path/releases/$release.tmp
paths=$path/.reprise/$release.paths
clean() { rm -rf -- "$archive" "$tmp"; }
trap clean EXIT
cat > "$archive" || fail "The artifact could not be written to $path/.reprise; is the disk full?"
sum=$(sha256sum < "$archive")
sum=\${sum%% *}
[ "$sum" = "$sha256" ] || fail "What arrived has the digest $sum instead of $sha256; it is not the artifact."
[ ! -e "$path/releases/$release" ] || fail "There is a release $release already."
rm -rf -- "$tmp"
mkdir -- "$tmp" && tar -xzf "$archive" -C "$tmp" || fail "The artifact could not be unpacked into $path/releases; is the disk full?"
cd -P -- "$tmp/$top" || fail "The artifact has no folder $top."
find . ! -name . -print | sed 's|^\\./||' > "$paths" || fail "$paths could not be written."
printf '%s\\n' "$revision" > REVISION && printf '%s\\n' "$revisionTime" > REVISION_TIME &&
  printf '%s\\n' "$releaseJson" > RELEASE.json || fail "REVISION could not be written."
for item do
  name=\${item%/}
  target=$path/shared/$name
  case "$item" in
    */) mkdir -p -- "$target" || fail "$target could not be made." ; inside "$target" ;;
    *) [ -e "$target" ] || fail "$target does not exist: put it there, it is linked into every release." ;;
  esac
  case "$name" in */*) mkdir -p -- "\${name%/*}" || fail "\${name%/*} could not be made in the release." ;; esac
  rm -rf -- "./$name" && ln -s -- "$target" "./$name" || fail "$name could not be linked into the release."
done
cd / && mv -T -- "$tmp/$top" "$path/releases/$release" || fail "$path/releases/$release could not be made."
sync -f "$path/releases/$release" 2>/dev/null || sync`,
  };
}

/**
 * Says what a release's paths are now: `kinds=` a line for each (`f` file, `x` executable file, `d` directory, `l` link, `m`
 * missing or something else, then the path), `targets=` the links' targets, a line for each, and `sums=` the lines of
 * sha256sum for its files. `list` is where the paths come from: those just unpacked, or those of its recorded manifest.
 */
export function measureProgram(place: Place, o: { release: string; list: 'paths' | 'manifest' }): Program {
  return {
    values: { ...place, release: o.release, list: o.list },
    body: `${MEASURE}
measure || fail "Release $release could not be read."`,
  };
}

/** A function of the shell, which changes nothing. `manifest=` is the recorded manifest, where the paths come from there. */
export const MEASURE = `names() {
  if [ "$list" = manifest ]; then sed 1d "$given" | cut -f 4; else cat "$given"; fi
}
measure() {
  given=$path/.reprise/$release.$list
  [ -f "$given" ] && cd -P -- "$path/releases/$release" || return 1
  inside .
  [ "$list" = paths ] || { printf 'manifest=' >&3; cat "$given" >&3; printf '\\0' >&3; }
  printf 'kinds=' >&3
  names | while IFS= read -r name; do
    if [ -L "$name" ]; then kind=l
    elif [ -d "$name" ]; then kind=d
    elif [ ! -f "$name" ]; then kind=m
    elif [ -x "$name" ]; then kind=x
    else kind=f
    fi
    printf '%s%s\\n' "$kind" "$name"
  done >&3
  printf '\\0targets=' >&3
  names | while IFS= read -r name; do [ ! -L "$name" ] || readlink "./$name"; done >&3
  printf '\\0sums=' >&3
  names | while IFS= read -r name; do
    [ -L "$name" ] || [ ! -f "$name" ] || printf './%s\\0' "$name"
  done | xargs -0 sha256sum /dev/null >&3
  printf '\\0' >&3
  cd /
}`;

/** Records what was installed, from standard input, beside the release. */
export function manifestProgram(place: Place, release: string): Program {
  return {
    values: { ...place, release },
    body: `cd -P -- "$path/.reprise" && cat > "$release.manifest.new" && mv -T "$release.manifest.new" "$release.manifest" &&
  rm -f "$release.paths" || fail "$path/.reprise/$release.manifest could not be written."`,
  };
}
