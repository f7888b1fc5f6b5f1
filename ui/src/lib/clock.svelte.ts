import { createSubscriber } from 'svelte/reactivity';

const startTicking = createSubscriber((update) => {
  const timer = setInterval(update, 1000);
  return () => clearInterval(timer);
});

/** Now, in milliseconds since 1970: whoever reads it is drawn again each second, by one timer for the whole page. */
export function now(): number {
  startTicking();
  return Date.now();
}
