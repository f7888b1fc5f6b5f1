import type { Status } from '@reprise/pipelines/status.ts';

/** Gives the tab a status's icon while the calling component is shown; null leaves the page's own. */
export function useFavicon(status: () => Status | null): void {
  $effect(() => {
    const link = document.querySelector<HTMLLinkElement>('link[rel="icon"]');
    const shown = status();
    if (!link || shown === null) return;
    const own = link.href;
    link.href = `/icons/${shown}.svg`;
    return () => {
      link.href = own;
    };
  });
}
