/** Whether there are runs here, and how safe they are. */
import type { JSX } from 'preact';
import { useEffect } from 'preact/hooks';
import type { RunRow } from '../../planner/rows.ts';
import { count, seconds } from '../format.ts';
import { Badge, Empty, Failure } from '../parts.tsx';
import type { RunBook } from './book.ts';

const SYNC_MS_MAX = 5000;
const STATUS_MS = 2000;

export function RunsNotice({ book }: { book: RunBook }): JSX.Element | null {
  if (book.isThere === false) {
    return (
      <Empty>
        This server has no runs. Those of an area are served by: <code>tidelock runs serve</code>
      </Empty>
    );
  }
  if (book.connection.kind === 'refused') return <Failure error={book.connection.error} />;
  return book.isThere === null ? <Empty>Reading the runs…</Empty> : null;
}

/** Area, runners, queue, and the age of what the durable database lacks. */
export function SyncLine({ book }: { book: RunBook }): JSX.Element | null {
  useEffect(() => {
    const timer = setInterval(() => void book.askStatus(), STATUS_MS);
    return () => clearInterval(timer);
  }, []);
  const { status } = book;
  if (status === null) return null;
  const { ageMs, ageMsMax, error } = status.sync;
  const isLate = error !== null || ageMsMax > SYNC_MS_MAX;
  const open = [...book.tasks.values()].filter(({ state }) =>
    ['new', 'claimed', 'running'].includes(state),
  );
  return (
    <p class="line">
      <code>{status.area}</code>
      {status.replica === undefined ? <Runners count={book.runners.size} /> : null}
      <span>{count(open.length)} open actions</span>
      <Badge tone={isLate ? 'bad' : 'good'}>
        {error ?? `durable: ${seconds(ageMs / 1000)} behind, ${seconds(ageMsMax / 1000)} at most`}
      </Badge>
    </p>
  );
}

/** No replica has them. */
function Runners({ count: n }: { count: number }): JSX.Element {
  return (
    <Badge tone={n === 0 ? 'idle' : 'good'}>{n === 0 ? 'no runner' : `${count(n)} at work`}</Badge>
  );
}

/** What is not shown for want of room. */
export function LeftOut({
  book,
  runs,
}: {
  book: RunBook;
  runs: readonly RunRow[];
}): JSX.Element | null {
  const out = runs.filter(({ id }) => book.isLeftOut(id)).map(({ name }) => name);
  const sentences = [
    ...(out.length === 0
      ? []
      : [`There is no room for all results of ${out.join(', ')}: choose fewer runs.`]),
    ...(book.runs.leftOut === 0
      ? []
      : [`The oldest ${count(book.runs.leftOut)} runs are left out.`]),
  ];
  return sentences.length === 0 ? null : <p class="padded note">{sentences.join(' ')}</p>;
}
