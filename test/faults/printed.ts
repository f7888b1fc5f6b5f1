/** A secret of the project that its steps print: it must be found nowhere. */
export const CANARY = 'canary-9f31c0d2a7b54e68';

/** A step that prints so many lines that the number `seed` (words of the shell) alone decides, resting for seconds in the middle. */
export function printing(seed: string, { lines, rest = 0 }: { lines: number; rest?: number }): string {
  return `
    s=${seed}
    for ((i = 0; i < ${lines}; i++)); do
      s=$(( s * 16807 % 2147483647 ))
      echo "$i $s"
      if [ $i = ${Math.floor(lines / 2)} ]; then sleep ${rest}; fi
    done
    echo "the canary is $CANARY"`;
}

/** What such a step prints, as it is to be in the log. */
export function printed(seed: number, lines: number): string {
  let state = seed;
  let text = '';
  for (let line = 0; line < lines; line += 1) {
    state = (state * 16807) % 2147483647;
    text += `${line} ${state}\n`;
  }
  return `${text}the canary is ***\n`;
}
