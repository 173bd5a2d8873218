/** The queue of actions, and the runners that take from it. */
import type { JSX } from 'preact';
import type { RunnerRow, TaskRow } from '../../../planner/rows.ts';
import { count, dateTime } from '../../format.ts';
import { Badge, Panel, Table, type Tone } from '../../parts.tsx';
import { useRuns } from '../hooks.ts';
import { RunsNotice, SyncLine } from '../notice.tsx';

const ROWS_MAX = 200;
/** So many the server gives at first. */
const START_TASKS = 500;
const TONES: Readonly<Record<TaskRow['state'], Tone>> = {
  ...{
    new: 'idle',
    claimed: 'warn',
    running: 'warn',
    done: 'good',
    failed: 'bad',
    cancelled: 'idle',
  },
};

export function QueuePage(): JSX.Element {
  const book = useRuns();
  if (book.isThere !== true) return <RunsNotice book={book} />;
  const tasks = [...book.tasks.values()]
    .filter(({ kind }) => kind === 'action')
    .sort((one, other) => other.id - one.id);
  return (
    <>
      <SyncLine book={book} />
      <Tasks tasks={tasks} hasMore={book.tasks.leftOut > 0 || book.tasks.size >= START_TASKS} />
      <Runners runners={[...book.runners.values()]} leftOut={book.runners.leftOut} />
    </>
  );
}

type TasksProps = {
  readonly tasks: readonly TaskRow[];
  /** There are older ones that this page does not know. */
  readonly hasMore: boolean;
};

function Tasks({ tasks, hasMore }: TasksProps): JSX.Element {
  const known = `${count(tasks.length)}, the newest first`;
  const shown =
    tasks.length > ROWS_MAX || hasMore
      ? `the newest ${count(Math.min(tasks.length, ROWS_MAX))} are shown, older ones are left out`
      : known;
  return (
    <Panel title="Actions" note={shown}>
      <Table
        caption="Actions"
        rows={tasks.slice(0, ROWS_MAX)}
        keyOf={({ id }) => `${id}`}
        empty="Nothing was asked for yet."
        columns={[
          { title: 'No.', isNumber: true, isMinor: true, cell: ({ id }) => id },
          { title: 'Action', cell: ({ action }) => action },
          { title: 'State', cell: ({ state }) => <Badge tone={TONES[state]}>{state}</Badge> },
          { title: 'Of', cell: (task) => subjectOf(task) },
          { title: 'Asked by', cell: ({ createdBy }) => createdBy },
          { title: 'When', cell: ({ createdAt }) => dateTime(createdAt) },
          { title: 'Held by', isMinor: true, cell: ({ leaseOwner }) => leaseOwner ?? '' },
          {
            title: 'Result',
            cell: ({ result }) => (
              <code>{result === null ? '' : JSON.stringify(result).slice(0, 200)}</code>
            ),
          },
        ]}
      />
    </Panel>
  );
}

function subjectOf({ args }: TaskRow): string {
  const { target = '', name = '', pattern = '' } = (args ?? {}) as Readonly<Record<string, string>>;
  return [target, name, pattern].filter((part) => part !== '').join(' ');
}

type RunnersProps = { readonly runners: readonly RunnerRow[]; readonly leftOut: number };

function Runners({ runners, leftOut }: RunnersProps): JSX.Element {
  return (
    <Panel title="Runners" note={leftOut === 0 ? undefined : `${count(leftOut)} are left out`}>
      <Table
        caption="Runners"
        rows={runners}
        keyOf={({ id }) => id}
        empty="No runner is at work. Start one with: tidelock runs runner"
        columns={[
          { title: 'Runner', cell: ({ id }) => <code>{id}</code> },
          { title: 'Host', cell: ({ host }) => host },
          { title: 'Process', isNumber: true, cell: ({ pid }) => pid },
          {
            title: 'Running',
            isNumber: true,
            cell: ({ running, slots }) => `${running} of ${slots}`,
          },
          { title: 'Load', isNumber: true, cell: ({ load }) => load.toFixed(2) },
        ]}
      />
    </Panel>
  );
}
