/** Two runs side by side: what got worse, what got better, what is new, gone or slower. */
import type { JSX } from 'preact';
import type { RunRow, TestRow } from '../../../planner/rows.ts';
import { type Compared, compareRuns, DIFFERENCES, type Side } from '../../../report/compare.ts';
import { count, seconds } from '../../format.ts';
import { Badge, Empty, Panel, Table, type Tone } from '../../parts.tsx';
import { href, setQuery, usePlace } from '../../route.ts';
import { runsOf } from '../filter.ts';
import { useTestsOf } from '../hooks.ts';
import { RunsNotice } from '../notice.tsx';

const ROWS_MAX = 500;
const TONES: Readonly<Record<Compared['difference'], Tone>> = {
  ...{ 'newly failing': 'bad', 'still failing': 'bad', missing: 'warn', 'other verdict': 'warn' },
  ...{ slower: 'warn', new: 'idle', fixed: 'good' },
};

export function ComparePage(): JSX.Element {
  const { query } = usePlace();
  const [a, b] = [Number(query.get('a')), Number(query.get('b'))];
  const book = useTestsOf([a, b]);
  if (book.isThere !== true) return <RunsNotice book={book} />;
  const runs = runsOf(book.runs.values(), { target: '', run: '' });
  const isReady = book.isLoaded(a) && book.isLoaded(b);
  const testsOf = (id: number): TestRow[] =>
    [...book.tests.values()].filter(({ runId }) => runId === id);
  return (
    <>
      <search class="filter">
        <RunChoice name="a" label="Before" value={a} runs={runs} />
        <RunChoice name="b" label="After" value={b} runs={runs} />
      </search>
      {isReady ? (
        <Differences found={compareRuns(testsOf(a), testsOf(b))} after={testsOf(b)} />
      ) : (
        <Empty>
          {book.runs.has(a) && book.runs.has(b) ? 'Reading both runs…' : 'Choose two runs.'}
        </Empty>
      )}
    </>
  );
}

type RunChoiceProps = {
  readonly name: string;
  readonly label: string;
  readonly value: number;
  readonly runs: readonly RunRow[];
};

function RunChoice({ name, label, value, runs }: RunChoiceProps): JSX.Element {
  return (
    <label>
      {label}
      <select
        value={`${value}`}
        onChange={(event) => setQuery({ [name]: event.currentTarget.value })}
      >
        <option value="0">choose</option>
        {runs.map((run) => (
          <option key={run.id} value={`${run.id}`}>
            {run.name} of {run.target}
          </option>
        ))}
      </select>
    </label>
  );
}

function Differences({
  found,
  after,
}: {
  found: readonly Compared[];
  after: readonly TestRow[];
}): JSX.Element {
  const ids = new Map(
    after.map((row) => [row.itemPath === '' ? row.name : `${row.name}/${row.itemPath}`, row.id]),
  );
  const sums = DIFFERENCES.map(
    (kind) => [kind, found.filter(({ difference }) => difference === kind).length] as const,
  );
  const note = sums
    .filter(([, times]) => times > 0)
    .map(([kind, times]) => `${count(times)} ${kind}`)
    .join(', ');
  return (
    <Panel title="Differences" note={note}>
      <Table
        caption="What differs"
        rows={found.slice(0, ROWS_MAX)}
        keyOf={({ exec }) => exec}
        empty="Both runs gave the same."
        columns={[
          {
            title: 'Test',
            cell: ({ exec }) =>
              ids.has(exec) ? <a href={href('test', { id: `${ids.get(exec)}` })}>{exec}</a> : exec,
          },
          {
            title: 'Difference',
            cell: ({ difference }) => <Badge tone={TONES[difference]}>{difference}</Badge>,
          },
          { title: 'Before', cell: ({ before }) => sideText(before) },
          { title: 'After', cell: ({ after: now }) => sideText(now) },
        ]}
      />
    </Panel>
  );
}

function sideText(side: Side | null): string {
  if (side === null) return 'not there';
  return side.durationMs === null
    ? side.verdict
    : `${side.verdict}, ${seconds(side.durationMs / 1000)}`;
}
