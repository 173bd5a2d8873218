/** Runs across, tests down; items folded under their test with the worst result. The address holds the filters. */
import type { JSX } from 'preact';
import { useEffect, useMemo, useState } from 'preact/hooks';
import type { RunRow, TestRow } from '../../../planner/rows.ts';
import { STATES } from '../../../planner/rows.ts';
import { count, dateTime } from '../../format.ts';
import { Empty, Panel } from '../../parts.tsx';
import { href, setQuery, usePlace } from '../../route.ts';
import { ActionButton } from '../act.tsx';
import type { RunBook } from '../book.ts';
import { type GridFilter, type GridLine, gridLines, runsOf, worstOf } from '../filter.ts';
import { useRuns, useTestsOf } from '../hooks.ts';
import { RunsNotice, SyncLine } from '../notice.tsx';
import { Counts, Verdict } from '../verdict.tsx';
import { VirtualTable } from '../virtual.tsx';

/** Runs beside each other, unless the address says otherwise. */
const COLUMNS = 8;
const COLUMNS_MAX = 40;

export function MatrixPage(): JSX.Element {
  const { query } = usePlace();
  const read = (name: string): string => query.get(name) ?? '';
  const columns = Math.min(COLUMNS_MAX, Number(read('columns')) || COLUMNS);
  const known = useRuns();
  const all = runsOf(known.runs.values(), { target: read('target'), run: read('run') });
  const runs = all.slice(0, columns);
  const book = useTestsOf(runs.map(({ id }) => id));
  const filter: GridFilter = {
    ...{ text: read('find'), state: read('state'), status: read('status'), grade: read('grade') },
  };
  return (
    <>
      <RunsNotice book={book} />
      {book.isThere === true ? (
        <>
          <SyncLine book={book} />
          <Filters filter={filter} target={read('target')} run={read('run')} />
          <Grid book={book} runs={runs} total={all.length} filter={filter} />
        </>
      ) : null}
    </>
  );
}

type FiltersProps = { readonly filter: GridFilter; readonly target: string; readonly run: string };

const GRADES = ['good', 'bad', 'broken', 'skipped', 'open'];

function Filters({ filter, target, run }: FiltersProps): JSX.Element {
  return (
    <search class="filter">
      <Field name="find" label="Test or item" value={filter.text} />
      <Field name="target" label="Target" value={target} />
      <Field name="run" label="Run" value={run} />
      <Choice name="grade" label="Result" value={filter.grade} options={GRADES} />
      <Choice name="state" label="State" value={filter.state} options={STATES} />
      <Field name="status" label="Status" value={filter.status} />
    </search>
  );
}

function Field({
  name,
  label,
  value,
}: {
  name: string;
  label: string;
  value: string;
}): JSX.Element {
  return (
    <label>
      {label}
      <input
        {...{ type: 'search', name, value, spellcheck: false, autocomplete: 'off' }}
        onInput={(event) => setQuery({ [name]: event.currentTarget.value })}
      />
    </label>
  );
}

type ChoiceProps = {
  readonly name: string;
  readonly label: string;
  readonly value: string;
  readonly options: readonly string[];
};

function Choice({ name, label, value, options }: ChoiceProps): JSX.Element {
  return (
    <label>
      {label}
      <select
        name={name}
        value={value}
        onChange={(event) => setQuery({ [name]: event.currentTarget.value })}
      >
        <option value="">any</option>
        {options.map((option) => (
          <option key={option} value={option}>
            {option}
          </option>
        ))}
      </select>
    </label>
  );
}

type GridProps = {
  readonly book: RunBook;
  readonly runs: readonly RunRow[];
  readonly total: number;
  readonly filter: GridFilter;
};

function Grid({ book, runs, total, filter }: GridProps): JSX.Element {
  const [open, setOpen] = useState<ReadonlySet<string>>(new Set());
  const runIds = runs.map(({ id }) => id);
  const lines = useMemo(
    () => gridLines(book.grid, runIds, { filter, open }),
    [book.version, runIds.join(' '), Object.values(filter).join('\0'), open],
  );
  const toggle = (name: string): void => {
    const next = new Set(open);
    if (!next.delete(name)) next.add(name);
    setOpen(next);
  };
  const isLoading = runIds.some((id) => !book.isLoaded(id));
  const items = lines.reduce((sum, one) => sum + (one.kind === 'test' ? one.itemCount : 0), 0);
  const note = `${count(lines.length)} lines, ${count(items)} items of ${count(runs.length)} of ${count(total)} runs${isLoading ? ', loading' : ''}`;
  return (
    <Panel
      title="Results"
      note={<span data-testid="lines">{note}</span>}
      actions={
        <>
          <NewRun />
          {total > runs.length ? (
            <button type="button" onClick={() => setQuery({ columns: `${runs.length + COLUMNS}` })}>
              More runs
            </button>
          ) : null}
        </>
      }
    >
      {runs.length === 0 ? (
        <Empty>No run fits. Start one here, or with: tidelock runs run</Empty>
      ) : (
        <VirtualTable
          caption="Results by test and run"
          rowCount={lines.length}
          columnCount={runs.length + 1}
          head={<Head runs={runs} />}
          row={(index) => {
            const line = lines[index];
            return line === undefined ? null : (
              <Line key={keyOf(line)} {...{ line, runs, index, toggle }} />
            );
          }}
        />
      )}
    </Panel>
  );
}

function keyOf(line: GridLine): string {
  return line.kind === 'test' ? line.test.name : `${line.test.name}/${line.item}`;
}

function Head({ runs }: { runs: readonly RunRow[] }): JSX.Element {
  return (
    <tr>
      <th scope="col" class="first">
        Test
      </th>
      {runs.map((run) => (
        <th key={run.id} scope="col">
          <a href={href('run', { id: `${run.id}` })} title={dateTime(run.createdAt)}>
            {run.name}
          </a>
          <span class="target">{run.target}</span>
          <Counts run={run} />
        </th>
      ))}
    </tr>
  );
}

type LineProps = {
  readonly line: GridLine;
  readonly runs: readonly RunRow[];
  readonly index: number;
  readonly toggle: (name: string) => void;
};

function Line({ line, runs, index, toggle }: LineProps): JSX.Element {
  const { test } = line;
  const rowOf = (run: RunRow): TestRow | undefined =>
    line.kind === 'test' ? worstOf(test, run.id) : test.items.get(line.item)?.get(run.id);
  return (
    <tr class={line.kind} aria-rowindex={index + 2}>
      <th scope="row" class="first">
        {line.kind === 'item' ? (
          <span class="indent">{line.item}</span>
        ) : line.itemCount === 0 ? (
          <span class="plain">{test.name}</span>
        ) : (
          <button
            type="button"
            class="fold"
            aria-expanded={line.isOpen}
            onClick={() => toggle(test.name)}
          >
            {test.name} <span class="note">{count(line.itemCount)} items</span>
          </button>
        )}
      </th>
      {runs.map((run) => (
        <td key={run.id}>
          <Cell row={rowOf(run)} />
        </td>
      ))}
    </tr>
  );
}

function Cell({ row }: { row: TestRow | undefined }): JSX.Element {
  if (row === undefined) return <span class="note">none</span>;
  return (
    <a class="cell" href={href('test', { id: `${row.id}` })}>
      <Verdict row={row} />
      {row.isStale ? <span class="note"> stale</span> : null}
    </a>
  );
}

function NewRun(): JSX.Element {
  const [name] = useState(() =>
    new Date().toISOString().slice(0, 16).replace('T', '-').replace(':', ''),
  );
  return (
    <ActionButton
      wish={{
        ...{ action: 'run', button: 'Start the run', runId: null, testId: null },
        says: 'The tests that fit, and what they need, are started by a runner of this area.',
        args: { rerun: { kind: 'none' } },
        asks: [
          { name: 'target', label: 'Target', value: '' },
          { name: 'name', label: 'Name of the run', value: name },
          { name: 'pattern', label: 'Tests', value: '%' },
        ],
      }}
    >
      New run
    </ActionButton>
  );
}

/** Draws again each second while `isOn`: durations go on. */
export function useSeconds(isOn: boolean): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    if (!isOn) return;
    const timer = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(timer);
  }, [isOn]);
  return now;
}
