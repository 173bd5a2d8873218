/** What a time line needs beside the tests: asked once, then only what has come since. */
import { useEffect, useState } from 'preact/hooks';
import type { EventRow, RunRow } from '../../planner/rows.ts';
import type { LagSample } from '../../planner/run-store.ts';
import { readRuns } from './ask-runs.ts';

export type Line = {
  readonly events: readonly EventRow[];
  readonly lag: readonly LagSample[];
  /** Up to when it is known, milliseconds since 1970. */
  readonly to: number;
};

const NOTHING: Line = { events: [], lag: [], to: 0 };
const AGAIN_MS = 3000;
/** What a test has told may be written so much later than it was. */
const LATE_MS = 10_000;

/** Of a run that has ended it is asked once. */
export function useLine(run: RunRow): Line {
  const [line, setLine] = useState(NOTHING);
  const { id, createdAt, endedAt } = run;
  useEffect(() => {
    let known = NOTHING;
    const look = async (): Promise<void> => {
      try {
        known = joined(known, await readLine(known, { id, createdAt, endedAt }));
        setLine(known);
      } catch {
        // The stream of changes says that the server is away.
      }
    };
    void look();
    if (endedAt !== null) return;
    const timer = setInterval(() => void look(), AGAIN_MS);
    return () => clearInterval(timer);
  }, [id, endedAt]);
  return line;
}

type Times = Pick<RunRow, 'id' | 'createdAt' | 'endedAt'>;

async function readLine(known: Line, { id, createdAt, endedAt }: Times): Promise<Line> {
  const to = (endedAt ?? Date.now()) + LATE_MS;
  const since = known.events.findLast(({ kind }) => kind === 'wait')?.seq ?? 0;
  const from = Math.max(createdAt, known.to - LATE_MS);
  const { events = [], lag = [] } = await readRuns({ kind: 'line', runId: id, since, from, to });
  return { events, lag, to };
}

/** Ranges overlap: what is there already comes again. */
function joined(known: Line, more: Line): Line {
  const seqs = new Set(known.events.map(({ seq }) => seq));
  const last = known.lag.at(-1)?.at ?? 0;
  return {
    events: [...known.events, ...more.events.filter(({ seq }) => !seqs.has(seq))],
    lag: [...known.lag, ...more.lag.filter(({ at }) => at > last)],
    to: more.to,
  };
}
