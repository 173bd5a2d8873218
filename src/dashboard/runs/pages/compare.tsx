/** Two runs side by side, by default the newest with the last good one before it: what got worse, better, slower. */
import type { JSX } from 'preact';
import type { RunRow, TestRow } from '../../../planner/rows.ts';
import {
  type Band,
  type Compared,
  compareRuns,
  DIFFERENCES,
  type Difference,
  type Side,
} from '../../../report/compare.ts';
import { execOf, lastGoodBefore, leavesOf } from '../../../report/results.ts';
import { count, seconds } from '../../format.ts';
import { Badge, Empty, Panel, Stat, Table, type Tone } from '../../parts.tsx';
import { href, setQuery, usePlace } from '../../route.ts';
import { useBands } from '../bands.ts';
import type { RunBook } from '../book.ts';
import { runsOf } from '../filter.ts';
import { useRuns, useTestsOf } from '../hooks.ts';
import { partsOfExec, type Quarantine, useQuarantine } from '../known.ts';
import { RunsNotice } from '../notice.tsx';

const ROWS_MAX = 500;
const TONES: Readonly<Record<Compared['difference'], Tone>> = {
  ...{ 'newly failing': 'bad', 'still failing': 'bad', missing: 'warn', 'other verdict': 'warn' },
  ...{ slower: 'warn', new: 'idle', fixed: 'good' },
};

export function ComparePage(): JSX.Element {
  const { query } = usePlace();
  const known = useRuns();
  const { before, after } = chosenRuns(known, [query.get('a'), query.get('b')]);
  const ids = [before, after].flatMap((run) => (run === null ? [] : [run.id]));
  const book = useTestsOf(ids);
  if (book.isThere !== true) return <RunsNotice book={book} />;
  const runs = runsOf(book.runs.values(), { target: '', run: '' });
  return (
    <>
      <search class="filter">
        <RunChoice
          {...{ name: 'a', label: 'Before', runs, value: query.get('a') }}
          none="the last good run before it"
        />
        <RunChoice
          {...{ name: 'b', label: 'After', runs, value: query.get('b') }}
          none="the newest run"
        />
      </search>
      {before === null || after === null ? (
        <Empty>
          {after === null ? 'There are no runs.' : `There is no good run before ${after.name}.`}
        </Empty>
      ) : (
        <Comparison book={book} before={before} after={after} />
      )}
    </>
  );
}

type Pair = { readonly before: RunRow | null; readonly after: RunRow | null };

/** Nothing chosen: the newest run that has ended, and the last good one of its target before it. */
function chosenRuns({ runs }: Pick<RunBook, 'runs'>, chosen: readonly (string | null)[]): Pair {
  const [a, b] = chosen.map((id) => runs.get(Number(id)) ?? null);
  const all = runsOf(runs.values(), { target: '', run: '' });
  const after = b ?? all.find(({ state }) => state === 'done') ?? null;
  const before = a ?? (after === null ? null : lastGoodBefore(all, after));
  return { before, after };
}

type RunChoiceProps = {
  readonly name: string;
  readonly label: string;
  readonly value: string | null;
  readonly runs: readonly RunRow[];
  /** What is taken when none is chosen. */
  readonly none: string;
};

function RunChoice({ name, label, value, runs, none }: RunChoiceProps): JSX.Element {
  return (
    <label>
      {label}
      <select
        value={value ?? ''}
        onChange={(event) => setQuery({ [name]: event.currentTarget.value })}
      >
        <option value="">{none}</option>
        {runs.map((run) => (
          <option key={run.id} value={`${run.id}`}>
            {run.name} of {run.target}
          </option>
        ))}
      </select>
    </label>
  );
}

type ComparisonProps = {
  readonly book: RunBook;
  readonly before: RunRow;
  readonly after: RunRow;
};

function Comparison({ book, before, after }: ComparisonProps): JSX.Element {
  const testsOf = ({ id }: RunRow): TestRow[] =>
    [...book.tests.values()].filter(({ runId }) => runId === id);
  const isReady = book.isLoaded(before.id) && book.isLoaded(after.id);
  const [was, is] = isReady ? [testsOf(before), testsOf(after)] : [[], []];
  const slower = new Set(
    compareRuns(was, is).flatMap(({ exec, difference }) => (difference === 'slower' ? [exec] : [])),
  );
  const bands = useBands(
    leavesOf(is).filter((row) => slower.has(execOf(row))),
    after.target,
  );
  if ([before, after].some(({ id }) => book.isLeftOut(id))) {
    return <Empty>There is no room in this page for both runs: tidelock runs compare has.</Empty>;
  }
  if (!isReady || bands === null) return <Empty>Reading both runs…</Empty>;
  const ids = new Map(leavesOf(is).map((row) => [execOf(row), row.id]));
  return <Differences {...{ before, after, ids }} found={compareRuns(was, is, bands)} />;
}

type DifferencesProps = Omit<ComparisonProps, 'book'> & {
  readonly found: readonly Compared[];
  /** Of executions of the later run. */
  readonly ids: ReadonlyMap<string, number>;
};

function Differences({ found, before, after, ids }: DifferencesProps): JSX.Element {
  const { query } = usePlace();
  const only = query.get('only') ?? '';
  const shown = found.filter(({ difference }) => only === '' || difference === only);
  return (
    <Panel
      title="Differences"
      note={
        <>
          <a href={href('run', { id: `${before.id}` })}>{before.name}</a>, then{' '}
          <a href={href('run', { id: `${after.id}` })}>{after.name}</a>
          {before.target === after.target
            ? ` of ${after.target}`
            : ` (${before.target}, ${after.target})`}
        </>
      }
      actions={<Only value={only} />}
    >
      <Sums found={found} />
      <Found rows={shown.slice(0, ROWS_MAX)} ids={ids} isFiltered={only !== ''} />
      {shown.length <= ROWS_MAX ? null : (
        <p class="padded note">
          The first {ROWS_MAX} of {count(shown.length)}.
        </p>
      )}
    </Panel>
  );
}

function Only({ value }: { readonly value: string }): JSX.Element {
  return (
    <label class="inline">
      <span class="note">Only</span>
      <select value={value} onChange={(event) => setQuery({ only: event.currentTarget.value })}>
        <option value="">all differences</option>
        {DIFFERENCES.map((kind) => (
          <option key={kind} value={kind}>
            {kind}
          </option>
        ))}
      </select>
    </label>
  );
}

function Sums({ found }: { readonly found: readonly Compared[] }): JSX.Element {
  const sumOf = (kind: Difference): number =>
    found.filter(({ difference }) => difference === kind).length;
  return (
    <dl class="stats">
      {DIFFERENCES.map((kind) => (
        <Stat key={kind} name={kind}>
          {count(sumOf(kind))}
        </Stat>
      ))}
    </dl>
  );
}

type FoundProps = {
  readonly rows: readonly Compared[];
  readonly ids: ReadonlyMap<string, number>;
  readonly isFiltered: boolean;
};

function Found({ rows, ids, isFiltered }: FoundProps): JSX.Element {
  const quarantine = useQuarantine();
  return (
    <Table
      caption="What differs"
      rows={rows}
      keyOf={({ exec }) => exec}
      empty={isFiltered ? 'There is no such difference.' : 'Both runs gave the same.'}
      columns={[
        {
          title: 'Test',
          cell: ({ exec }) =>
            ids.has(exec) ? <a href={href('test', { id: `${ids.get(exec)}` })}>{exec}</a> : exec,
        },
        {
          title: 'Difference',
          cell: (one) => (
            <span class="line">
              <Badge tone={TONES[one.difference]}>{one.difference}</Badge>
              {knownBy(quarantine, one)}
            </span>
          ),
        },
        { title: 'Before', cell: ({ before }) => sideText(before) },
        { title: 'After', cell: ({ after }) => sideText(after) },
        { title: 'As a rule', isMinor: true, cell: ({ band }) => bandText(band) },
      ]}
    />
  );
}

/** A known failure stays a failure: it only says whose it is. */
function knownBy(quarantine: Quarantine, { exec, difference }: Compared): JSX.Element | null {
  const entry = difference.endsWith('failing') ? quarantine.of(partsOfExec(exec)) : null;
  return entry === null ? null : <span class="note">known, {entry.owner}</span>;
}

function sideText(side: Side | null): string {
  if (side === null) return 'not there';
  return side.durationMs === null
    ? side.verdict
    : `${side.verdict}, ${seconds(side.durationMs / 1000)}`;
}

const bandText = (band: Band | null): string =>
  band === null ? '' : `${seconds(band.lowMs / 1000)} to ${seconds(band.highMs / 1000)}`;
