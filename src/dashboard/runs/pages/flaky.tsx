/** Tests that change their mind: results of the last runs of a target, those that switch most first. */
import type { JSX } from 'preact';
import { flakyTests, RUNS_DEFAULT } from '../../../report/flaky.ts';
import { count } from '../../format.ts';
import { Badge, Bar, Empty, Panel, Table } from '../../parts.tsx';
import { href, setQuery, usePlace } from '../../route.ts';
import { runsOf } from '../filter.ts';
import { useRuns, useTestsOf } from '../hooks.ts';
import { RunsNotice } from '../notice.tsx';

export function FlakyPage(): JSX.Element {
  const { query } = usePlace();
  const known = useRuns();
  const targets = [...new Set([...known.runs.values()].map(({ target }) => target))].sort();
  const target = query.get('target') ?? targets[0] ?? '';
  const runs = runsOf(known.runs.values(), { target: '', run: '' })
    .filter((run) => run.target === target)
    .slice(0, RUNS_DEFAULT)
    .reverse();
  const book = useTestsOf(runs.map(({ id }) => id));
  if (book.isThere !== true) return <RunsNotice book={book} />;
  const isReady = runs.every(({ id }) => book.isLoaded(id));
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
        note={`results of the last ${count(runs.length)} runs, the oldest first`}
      >
        {isReady ? (
          <Ranking
            tests={flakyOf(
              book,
              runs.map(({ id }) => id),
            )}
          />
        ) : (
          <Empty>Reading the runs…</Empty>
        )}
      </Panel>
    </>
  );
}

function flakyOf(
  book: ReturnType<typeof useRuns>,
  runIds: readonly number[],
): ReturnType<typeof flakyTests> {
  const rows = [...book.tests.values()];
  return flakyTests(runIds.map((id) => rows.filter(({ runId }) => runId === id)));
}

function Ranking({ tests }: { tests: ReturnType<typeof flakyTests> }): JSX.Element {
  return (
    <Table
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
      ]}
    />
  );
}
