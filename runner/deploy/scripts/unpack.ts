import type { Place } from './lock.ts';
import type { Program } from './program.ts';

const EMPTY_SHA256 = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';

/**
 * `digest` of standard input and `digests` of the files whose names, ended by NULs, are there. Most hosts have OpenSSL, which uses what the
 * processor has for SHA-256 and takes a quarter of the time of GNU's sha256sum; it is used where it knows the digest of nothing.
 */
const DIGEST = `if [ "$(openssl dgst -sha256 -r 2>/dev/null </dev/null | cut -c 1-64)" = ${EMPTY_SHA256} ]; then
  digest() { openssl dgst -sha256 -r; }
  digests() { xargs -0 openssl dgst -sha256 -r /dev/null; }
else
  digest() { sha256sum; }
  digests() { xargs -0 sha256sum /dev/null; }
fi`;

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
    /** No command will change it, so it is measured at once; see `measureProgram`. */
    isFinal: boolean;
  },
): Program {
  const { shared, isFinal, ...values } = o;
  return {
    values: { ...place, ...values },
    words: shared,
    body: `${DIGEST}
archive=$path/.reprise/$release.tar.gz
tmp=$path/releases/$release.tmp
paths=$path/.reprise/$release.paths
clean() { rm -rf -- "$archive" "$tmp"; }
trap clean EXIT
cat > "$archive" || fail "The artifact could not be written to $path/.reprise; is the disk full?"
sum=$(digest < "$archive")
sum=\${sum%% *}
[ "$sum" = "$sha256" ] || fail "What arrived has the digest $sum instead of $sha256; it is not the artifact."
[ ! -e "$path/releases/$release" ] || fail "There is a release $release already."
rm -rf -- "$tmp"
mkdir -- "$tmp" && tar -xzf "$archive" -C "$tmp" || fail "The artifact could not be unpacked into $path/releases; is the disk full?"
rm -f -- "$archive"
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
{ sync -f "$path/releases/$release" || sync; } >/dev/null 2>&1 3>&- &
saved=$!
${isFinal ? `list=paths\n${MEASURE_OR_FAIL}` : ''}
wait "$saved" || fail "The release could not be saved to the disk."`,
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
    body: MEASURE_OR_FAIL,
  };
}

/** A function of the shell, which changes nothing. `manifest=` is the recorded manifest, where the paths come from there. */
export const MEASURE = `${DIGEST}
names() {
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
  done | digests >&3
  printf '\\0' >&3
  cd /
}`;

const MEASURE_OR_FAIL = `${MEASURE}
measure || fail "Release $release could not be read."`;

/** Records what was installed, from standard input, beside the release. */
export function manifestProgram(place: Place, release: string): Program {
  return {
    values: { ...place, release },
    body: `cd -P -- "$path/.reprise" && cat > "$release.manifest.new" && mv -T "$release.manifest.new" "$release.manifest" &&
  rm -f "$release.paths" || fail "$path/.reprise/$release.manifest could not be written."`,
  };
}
