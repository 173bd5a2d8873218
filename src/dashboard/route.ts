/** Where the reader is: the path chooses the page, the query holds its filters, and both are in the address. */
import { useEffect, useState } from 'preact/hooks';

const BASE = '/dashboard/';

export type Place = { readonly path: string; readonly query: URLSearchParams };

const listeners = new Set<() => void>();

function here(): Place {
  const path = location.pathname.slice(BASE.length).replace(/\/$/, '');
  return { path, query: new URLSearchParams(location.search) };
}

function moved(): void {
  for (const listener of [...listeners]) listener();
}

addEventListener('popstate', moved);

/** The address of a page of ours; empty values are left out. */
export function href(path: string, query: Readonly<Record<string, string>> = {}): string {
  const filled = Object.entries(query).filter(([, value]) => value !== '');
  const text = new URLSearchParams(filled).toString();
  return `${BASE}${path}${text === '' ? '' : `?${text}`}`;
}

/** Goes to a page, as a click on a link would. */
function go(address: string): void {
  history.pushState(null, '', address);
  moved();
  scrollTo(0, 0);
  document.querySelector<HTMLElement>('main')?.focus({ preventScroll: true });
}

/** Changes filters of the present page; going back leaves the page, not the filter. */
export function setQuery(change: Readonly<Record<string, string>>): void {
  const { path, query } = here();
  history.replaceState(null, '', href(path, { ...Object.fromEntries(query), ...change }));
  moved();
}

export function usePlace(): Place {
  const [place, setPlace] = useState(here);
  useEffect(() => {
    const update = (): void => setPlace(here());
    listeners.add(update);
    return () => void listeners.delete(update);
  }, []);
  return place;
}

/** Plain clicks on links of ours stay in the page. */
export function followLinks(root: HTMLElement): void {
  root.addEventListener('click', (event) => {
    const link = (event.target as Element).closest('a');
    const isPlain = event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey;
    if (
      link === null ||
      !isPlain ||
      event.defaultPrevented ||
      link.target !== '' ||
      link.origin !== location.origin
    )
      return;
    if (!link.pathname.startsWith(BASE) || link.pathname.includes('.')) return;
    event.preventDefault();
    go(link.pathname + link.search);
  });
}
