/** What one does with a log: search the whole of it, go to a line, to the first error, to its ends, follow it. */
import type { JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { count } from '../format.ts';
import { type Found, firstError, HITS_MAX, type LogFile, useLogSearch } from './log-search.ts';
import type { ShownLog } from './use-log.ts';

type LogControlsProps = LogFile & {
  readonly log: ShownLog;
  readonly wanted: string;
  readonly setWanted: (text: string) => void;
  /** The line that a rule has named. */
  readonly named: number | null;
  readonly go: (line: number) => void;
};

export function LogControls(props: LogControlsProps): JSX.Element {
  const { testId, file, log, wanted, setWanted, named, go } = props;
  const { isFollowing, follow, toByte, window } = log;
  const found = useLogSearch({ testId, file }, wanted, window.size);
  return (
    <>
      <label class="inline">
        <span class="note">Search</span>
        <input
          type="search"
          value={wanted}
          maxLength={200}
          onInput={(event) => setWanted(event.currentTarget.value)}
        />
      </label>
      {wanted === '' ? null : <Hits key={wanted} found={found} toByte={toByte} />}
      <FirstError {...{ testId, file, named, go }} />
      <LineField go={go} />
      <button type="button" onClick={() => toByte(0, 1)}>
        Start
      </button>
      <button type="button" aria-pressed={isFollowing} onClick={() => follow(!isFollowing)}>
        {isFollowing ? 'Pause' : 'Follow'}
      </button>
    </>
  );
}

type HitsProps = { readonly found: Found; readonly toByte: ShownLog['toByte'] };

function Hits({ found, toByte }: HitsProps): JSX.Element {
  const [at, setAt] = useState<number | null>(null);
  const { hits, isDone, share } = found;
  const go = (to: number): void => {
    const place = (to + hits.length) % Math.max(1, hits.length);
    const hit = hits[place];
    if (hit === undefined) return;
    setAt(place);
    toByte(hit.byte, hit.line);
  };
  const isCut = hits.length >= HITS_MAX;
  return (
    <>
      <button
        type="button"
        disabled={hits.length === 0}
        onClick={() => go(at === null ? 0 : at + 1)}
      >
        {count(hits.length)}
        {isCut ? ' and more' : ''} found, next
      </button>
      <button type="button" disabled={hits.length === 0} onClick={() => go((at ?? 0) - 1)}>
        Previous
      </button>
      <span class="note" role="status">
        {isDone || isCut
          ? placeText(at, hits.length)
          : `${Math.floor(share * 100)} % looked through`}
      </span>
    </>
  );
}

const placeText = (at: number | null, all: number): string =>
  at === null ? '' : `${count(at + 1)} of ${count(all)}`;

type FirstErrorProps = LogFile & Pick<LogControlsProps, 'named' | 'go'>;

/** The line that a rule has named; otherwise the first one that says so itself. */
function FirstError({ testId, file, named, go }: FirstErrorProps): JSX.Element {
  const [says, setSays] = useState('');
  useEffect(() => setSays(''), [file]);
  const look = async (): Promise<void> => {
    if (named !== null) return go(named);
    setSays('Looking…');
    const hit = await firstError({ testId, file }).catch(() => null);
    setSays(hit === null ? 'No line says so' : '');
    if (hit !== null) go(hit.line);
  };
  return (
    <>
      <button type="button" onClick={() => void look()}>
        First error
      </button>
      {says === '' ? null : (
        <span class="note" role="status">
          {says}
        </span>
      )}
    </>
  );
}

function LineField({ go }: { readonly go: (line: number) => void }): JSX.Element {
  return (
    <form
      class="inline"
      onSubmit={(event) => {
        event.preventDefault();
        const line = Number(new FormData(event.currentTarget).get('line'));
        if (Number.isSafeInteger(line) && line > 0) go(line);
      }}
    >
      <label class="inline">
        <span class="note">Line</span>
        <input type="number" name="line" min="1" class="short" required />
      </label>
    </form>
  );
}
