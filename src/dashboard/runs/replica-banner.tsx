/** Where a replica is shown: whose, how old it is, and where one acts. */
import type { JSX } from 'preact';
import { useEffect } from 'preact/hooks';
import { seconds } from '../format.ts';
import type { RunBook } from './book.ts';

const STATUS_MS = 1000;

export function ReplicaBanner({ book }: { book: RunBook }): JSX.Element | null {
  const replica = book.status?.replica;
  const isReplica = replica !== undefined;
  useEffect(() => {
    if (!isReplica) return;
    const timer = setInterval(() => void book.askStatus(), STATUS_MS);
    return () => clearInterval(timer);
  }, [isReplica]);
  if (replica === undefined) return null;
  const { home, url, ageMs, trouble } = replica;
  return (
    <div class="banner" role="note" data-testid="replica">
      <strong>A replica, to look at.</strong> The home of these runs is{' '}
      {url === null ? <b>{home}</b> : <a href={`${url}/dashboard/runs`}>{home}</a>}: actions are
      taken there. Shown is what it had {seconds(ageMs / 1000)} ago.
      {trouble === null ? null : (
        <>
          {' '}
          <strong>Its server cannot be reached.</strong>
        </>
      )}
    </div>
  );
}
