/** A log as it is written: read in ranges, followed or paused, searched, with the colours of terminals; never as HTML. */
import type { JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { ApiError, range } from '../api.ts';
import { bytes, count } from '../format.ts';
import { Empty, Failure, Panel } from '../parts.tsx';
import { isErrorLine, partsOf, plainOf } from './ansi.ts';

const RANGE_BYTES = 256 * 1024;
/** Lines that are kept on the page; earlier ones are read again when asked for. */
const LINES_MAX = 5000;
const FOLLOW_MS = 500;

type Log = {
  /** Whole lines; `rest` is what comes after the last of them. */
  readonly lines: readonly string[];
  readonly rest: string;
  /** Bytes: where `lines` begins, where the next range begins, how long the file is. */
  readonly from: number;
  readonly next: number;
  readonly size: number;
};

const EMPTY: Log = { lines: [], rest: '', from: 0, next: 0, size: 0 };

type LogViewProps = { readonly testId: number; readonly file: string; readonly isOpen: boolean };

export function LogView({ testId, file, isOpen }: LogViewProps): JSX.Element {
  const [isFollowing, setFollowing] = useState(true);
  const { log, error } = useLog({ testId, file, isOpen: isOpen && isFollowing });
  const [wanted, setWanted] = useState('');
  const holder = useRef<HTMLElement>(null);
  useEffect(() => {
    const element = holder.current;
    if (isFollowing && element !== null) element.scrollTop = element.scrollHeight;
  }, [log.next, isFollowing]);
  const jump = (at: number): void => {
    setFollowing(false);
    holder.current?.querySelector(`[data-line="${at}"]`)?.scrollIntoView({ block: 'center' });
  };
  const lines = log.rest === '' ? log.lines : [...log.lines, log.rest];
  return (
    <Panel
      title="Log"
      note={
        file === '' ? undefined : (
          <>
            <code>{file}</code>, {bytes(log.size)}
          </>
        )
      }
      actions={
        <Controls
          {...{ lines, wanted, setWanted, jump, isFollowing }}
          toggle={() => setFollowing(!isFollowing)}
        />
      }
    >
      {error === null ? null : <Failure error={error} />}
      {lines.length === 0 ? (
        <Empty>
          {file === ''
            ? 'It has no log.'
            : isOpen
              ? 'Nothing is written yet.'
              : 'The log is empty.'}
        </Empty>
      ) : (
        <Lines {...{ lines, holder, wanted }} isCut={log.from > 0} />
      )}
    </Panel>
  );
}

type ControlsProps = {
  readonly lines: readonly string[];
  readonly wanted: string;
  readonly setWanted: (text: string) => void;
  readonly jump: (line: number) => void;
  readonly isFollowing: boolean;
  readonly toggle: () => void;
};

function Controls(props: ControlsProps): JSX.Element {
  const { lines, wanted, jump, isFollowing } = props;
  const firstError = lines.findIndex(isErrorLine);
  const hits =
    wanted === '' ? [] : lines.flatMap((line, at) => (hasText(line, wanted) ? [at] : []));
  return (
    <>
      <label class="inline">
        <span class="note">Search</span>
        <input
          type="search"
          value={wanted}
          onInput={(event) => props.setWanted(event.currentTarget.value)}
        />
      </label>
      {wanted === '' ? null : <Hits hits={hits} jump={jump} />}
      <button type="button" disabled={firstError < 0} onClick={() => jump(firstError)}>
        First error
      </button>
      <button type="button" aria-pressed={isFollowing} onClick={props.toggle}>
        {isFollowing ? 'Pause' : 'Follow'}
      </button>
    </>
  );
}

function hasText(line: string, wanted: string): boolean {
  return plainOf(line).toLowerCase().includes(wanted.toLowerCase());
}

function Hits({
  hits,
  jump,
}: {
  hits: readonly number[];
  jump: (at: number) => void;
}): JSX.Element {
  const [at, setAt] = useState(0);
  const go = (): void => {
    const hit = hits[at % Math.max(1, hits.length)];
    if (hit !== undefined) jump(hit);
    setAt(at + 1);
  };
  return (
    <button type="button" disabled={hits.length === 0} onClick={go}>
      {count(hits.length)} found, next
    </button>
  );
}

type LinesProps = {
  readonly lines: readonly string[];
  readonly holder: { current: HTMLElement | null };
  readonly wanted: string;
  readonly isCut: boolean;
};

function Lines({ lines, holder, wanted, isCut }: LinesProps): JSX.Element {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a part that scrolls must be reached by keyboard
    <section class="scroll log" ref={holder} tabIndex={0} aria-label="Lines of the log">
      {isCut ? <p class="note">Earlier lines are in the file.</p> : null}
      <ol>
        {lines.map((line, at) => (
          <li key={at} data-line={at} class={classOf(line, wanted)}>
            {partsOf(line).map((part, place) => (
              <span key={place} class={part.classes}>
                {part.text}
              </span>
            ))}
          </li>
        ))}
      </ol>
    </section>
  );
}

function classOf(line: string, wanted: string): string {
  if (wanted !== '' && hasText(line, wanted)) return 'hit';
  return isErrorLine(line) ? 'wrong' : '';
}

type LogSource = { readonly testId: number; readonly file: string; readonly isOpen: boolean };

/** The end of the log first, then what is written to it. */
function useLog({ testId, file, isOpen }: LogSource): { log: Log; error: ApiError | null } {
  const [log, setLog] = useState<Log>(EMPTY);
  const [error, setError] = useState<ApiError | null>(null);
  const known = useRef(EMPTY);
  useEffect(() => {
    if (file === '') return;
    const abort = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const look = async (): Promise<void> => {
      try {
        const next = await readOn(known.current, { testId, file, signal: abort.signal });
        setError(null);
        if (next !== known.current) setLog(next);
        known.current = next;
        if (next.next < next.size) return await look();
      } catch (failure) {
        if (abort.signal.aborted) return;
        const told =
          failure instanceof ApiError ? failure : new ApiError('PAGE', String(failure), '');
        if (!(told.code === 'NOT_FOUND' && isOpen)) setError(told);
      }
      if (isOpen) timer = setTimeout(() => void look(), FOLLOW_MS);
    };
    void look();
    return () => {
      abort.abort();
      clearTimeout(timer);
    };
  }, [testId, file, isOpen]);
  return { log, error };
}

async function readOn(
  log: Log,
  { testId, file, signal }: { testId: number; file: string; signal: AbortSignal },
): Promise<Log> {
  const query = new URLSearchParams({ test: `${testId}`, file });
  // Of a long log the end is read first: that is where it says what went wrong.
  if (log.next > 0) query.set('from', `${log.next}`);
  const piece = await range(`/runs/v1/log?${query}&bytes=${RANGE_BYTES}`, signal);
  if (piece.bytes === 0) return piece.size === log.size ? log : { ...log, size: piece.size };
  const text = log.rest + piece.text;
  const lines = text.split('\n');
  const rest = lines.pop() ?? '';
  const isFirst = log.next === 0;
  // A range that begins inside of a line begins with a part of one.
  if (isFirst && piece.from > 0) lines.shift();
  const all = [...log.lines, ...lines];
  const from = isFirst ? piece.from : log.from;
  return {
    ...{ lines: all.slice(-LINES_MAX), rest, size: piece.size, next: piece.from + piece.bytes },
    from: all.length > LINES_MAX ? Math.max(1, from) : from,
  };
}
