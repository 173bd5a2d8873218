/** Tests that change their mind, and those that are known to fail: who answers for them, and until when. */
import type { JSX } from 'preact';
import type { RunRow, TestRow } from '../../../planner/rows.ts';
import type { QuarantineEntry } from '../../../protocol/run-files.ts';
import { type Flaky, flakyTests, RUNS_DEFAULT } from '../../../report/flaky.ts';
import { execOf, isFailure, leavesOf } from '../../../report/results.ts';
import { count } from '../../format.ts';
import { Badge, Bar, Empty, Failure, Panel, Table } from '../../parts.tsx';
import { href, setQuery, usePlace } from '../../route.ts';
import { runsOf } from '../filter.ts';
import { useRuns, useTestsOf } from '../hooks.ts';
import { matcherOf, partsOfExec, type Quarantine, untilText, useQuarantine } from '../known.ts';
import { RunsNotice } from '../notice.tsx';
import { Verdict } from '../verdict.tsx';

/** Results of an entry that are shown; those that fail come first. */
const SHOWN_MAX = 10;

export function FlakyPage(): JSX.Element {
  const { query } = usePlace();
  const known = useRuns();
  const targets = [...new Set([...known.runs.values()].map(({ target }) => target))].sort();
  const target = query.get('target') ?? targets[0] ?? '';
  const runs = runsOf(known.runs.values(), { target: '', run: '' })
    .filter((run) => run.target === target)
    .slice(0, RUNS_DEFAULT)
    .reverse();
  // The newest first: when there is no room for all, the oldest stay out.
  const book = useTestsOf(runs.map(({ id }) => id).reverse());
  const quarantine = useQuarantine();
  if (book.isThere !== true) return <RunsNotice book={book} />;
  const byRun = testsByRun(book.tests.values(), runs);
  const leftOut = runs.filter(({ id }) => book.isLeftOut(id)).length;
  const isReady = runs.every(({ id }) => book.isLoaded(id) || book.isLeftOut(id));
  return (
    <>
      <search class="filter">
        <label>
          Target
          <select
            value={target}
            onChange={(event) => setQuery({ target: event.currentTarget.value })}
          >
            {targets.map((name) => (
              <option key={name} value={name}>
                {name}
              </option>
            ))}
          </select>
        </label>
      </search>
      <Panel
        title="Flaky tests"
        note={`results of the last ${count(runs.length)} runs, the oldest first${
          leftOut === 0 ? '' : `; ${count(leftOut)} are too large to be read beside the others`
        }`}
      >
        {isReady ? (
          <Ranking tests={flakyTests(byRun)} quarantine={quarantine} />
        ) : (
          <Empty>Reading the runs…</Empty>
        )}
      </Panel>
      <KnownFailures quarantine={quarantine} newest={newestOf(byRun)} />
    </>
  );
}

/** Tests of each of these runs, in their order. */
function testsByRun(tests: Iterable<TestRow>, runs: readonly RunRow[]): readonly TestRow[][] {
  const byRun = new Map(runs.map(({ id }) => [id, [] as TestRow[]]));
  for (const row of tests) byRun.get(row.runId)?.push(row);
  return [...byRun.values()];
}

/** The newest result of each execution. */
function newestOf(byRun: readonly (readonly TestRow[])[]): readonly TestRow[] {
  const newest = new Map<string, TestRow>();
  for (const rows of byRun) for (const row of leavesOf(rows)) newest.set(execOf(row), row);
  return [...newest.values()];
}

type RankingProps = { readonly tests: readonly Flaky[]; readonly quarantine: Quarantine };

function Ranking({ tests, quarantine }: RankingProps): JSX.Element {
  return (
    <Table<Flaky>
      caption="Tests by how often they switch"
      rows={tests}
      keyOf={({ exec }) => exec}
      empty="No test changed its mind."
      columns={[
        { title: 'Test', cell: ({ exec }) => <a href={href('runs', { find: exec })}>{exec}</a> },
        { title: 'Switches', isNumber: true, cell: ({ switches }) => count(switches) },
        {
          title: 'Share',
          cell: ({ share }) => (
            <>
              <Bar share={share} /> {Math.round(share * 100)} %
            </>
          ),
        },
        { title: 'Results', cell: ({ strip }) => <code class="results">{strip}</code> },
        {
          title: 'Now',
          cell: ({ strip }) =>
            strip.endsWith('+') ? (
              <Badge tone="good">passes</Badge>
            ) : (
              <Badge tone="bad">fails</Badge>
            ),
        },
        {
          title: 'Known',
          isMinor: true,
          cell: ({ exec }) => quarantine.of(partsOfExec(exec))?.owner ?? '',
        },
      ]}
    />
  );
}

type KnownProps = { readonly quarantine: Quarantine; readonly newest: readonly TestRow[] };

/** They do not make a run bad, and stay to be seen. */
function KnownFailures({ quarantine, newest }: KnownProps): JSX.Element {
  const { entries, error } = quarantine;
  const now = Date.now();
  return (
    <Panel
      title="Known failures"
      note="of quarantine.config: shown, and not counted until their day"
    >
      {error === null ? null : <Failure error={error} />}
      <Table<QuarantineEntry>
        caption="Known failures by entry"
        rows={entries}
        keyOf={({ pattern, until }) => `${pattern} ${until}`}
        empty="Nothing is in quarantine."
        columns={[
          { title: 'Tests', cell: ({ pattern }) => <code>{pattern}</code> },
          { title: 'Owner', cell: ({ owner }) => owner },
          {
            title: 'Until',
            cell: (entry) => (
              <Badge tone={now < entry.until ? 'idle' : 'warn'}>{untilText(entry, now)}</Badge>
            ),
          },
          { title: 'Why', cell: ({ reason }) => reason },
          { title: 'Newest results', cell: (entry) => <Results entry={entry} newest={newest} /> },
        ]}
      />
    </Panel>
  );
}

type ResultsProps = { readonly entry: QuarantineEntry; readonly newest: readonly TestRow[] };

function Results({ entry, newest }: ResultsProps): JSX.Element {
  const isOf = matcherOf(entry);
  if (isOf === null) return <span class="note">its pattern cannot be used</span>;
  const rows = newest.filter((row) => isOf(row) !== null);
  const failing = rows.filter(isFailure);
  const shown = [...failing, ...rows.filter((row) => !isFailure(row))].slice(0, SHOWN_MAX);
  if (rows.length === 0) return <span class="note">none in these runs</span>;
  return (
    <span class="line">
      <span class="note">
        {count(failing.length)} of {count(rows.length)} fail
      </span>
      {shown.map((row) => (
        <a key={row.id} class="strip-link" href={href('test', { id: `${row.id}` })}>
          {execOf(row)} <Verdict row={row} />
        </a>
      ))}
    </span>
  );
}
