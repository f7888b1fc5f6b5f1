/** What the program inside the sandbox finds open, until the step starts with 0, 1 and 2 alone. */
export const INSIDE = {
  /** Where the script reports: `begun`, then `prepared` where there is something to prepare. */
  status: 3,
  /** The output of `prepare`, apart from the step's, so that its end is known to the byte. */
  preparation: 4,
} as const;

/** Threads count too: a Java build or a parallel test run has some hundreds. Per slot where each slot has its own user. */
const PROCESS_LIMIT = 8192;
/** The same on every machine, since programs size tables by it. */
const OPEN_FILES = 65_536;

/**
 * The sandbox's first process, as text for any POSIX shell. Arguments: `$1` the text to prepare with, or nothing; `$2` the step's
 * directory; then the step's program and its arguments. It waits for the program and collects orphans; when it exits, the
 * kernel ends whatever the step left running.
 *
 * Bubblewrap's own complaints go to the error output that it starts with. From the line `begun` on, all that happens is
 * the step's, so that a fault of ours and one of the user's are never confused. No variable is set here, because one of
 * the step's could be of that name. (Nor would `(…) || exit` do: it takes the meaning from a `set -e` inside.)
 */
const SCRIPT = `
echo begun >&3
umask 022
ulimit -c 0
ulimit -n ${OPEN_FILES} 2>/dev/null
ulimit -u ${PROCESS_LIMIT} 2>/dev/null || ulimit -p ${PROCESS_LIMIT} 2>/dev/null
echo 500 2>/dev/null >/proc/self/oom_score_adj
if [ -n "$1" ]; then
  (exec >&4 2>&4 3>&- 4>&-; eval "$1")
  set -- $? "$@"
  [ "$1" = 0 ] || exit "$1"
  shift
  echo prepared >&3
fi
exec 2>&1 3>&- 4>&-
if [ "$2" != /workspace ]; then
  cd "$2" 2>/dev/null || { echo "reprise: there is no directory $2 to start in"; exit 127; }
  unset OLDPWD
fi
shift 2
"$@"
exit $?
`.trim();

/** The command line of a sandbox's program. */
export function stepCommand(step: { argv: string[]; cwd: string; prepare?: string }): string[] {
  return ['/bin/sh', '-c', SCRIPT, 'reprise', step.prepare ?? '', step.cwd, ...step.argv];
}
