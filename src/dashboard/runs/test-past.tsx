/** What was before: results of the same test in earlier runs, attempts of this one, triggers, changes by hand. */
import type { JSX } from 'preact';
import type { EventRow, TestRow } from '../../planner/rows.ts';
import {
  type Attempt,
  attemptsOf,
  type FiredTrigger,
  type Forced,
  forcedOf,
  triggersOf,
} from '../../report/attempts.ts';
import { flipsOf } from '../../report/flaky.ts';
import { dateTime, seconds } from '../format.ts';
import { Panel, Table } from '../parts.tsx';
import { href } from '../route.ts';
import { useRuns } from './hooks.ts';
import { Verdict } from './verdict.tsx';

/** `rows`: of the target, the newest first. */
export function History({ rows }: { rows: readonly TestRow[] }): JSX.Element {
  const book = useRuns();
  const old = rows.toReversed();
  const { switches, strip, share } = flipsOf(old);
  const rate =
    strip.length < 2
      ? undefined
      : `flip rate ${Math.round(share * 100)} %: ${switches} changes in ${strip.length} results`;
  return (
    <Panel title="History" note={rate}>
      {rows.length === 0 ? <p class="empty">It has no results of this target yet.</p> : null}
      <ol class="strip" aria-label="Results of this target, the oldest first">
        {old.map((one) => (
          <li key={one.id}>
            <a
              class="strip-link"
              href={href('test', { id: `${one.id}` })}
              title={book.runs.get(one.runId)?.name ?? `run ${one.runId}`}
            >
              <Verdict row={one} />
            </a>
          </li>
        ))}
      </ol>
    </Panel>
  );
}

export function Attempts({ events }: { events: readonly EventRow[] }): JSX.Element {
  const [forced, triggers] = [forcedOf(events), triggersOf(events)];
  return (
    <>
      <Panel title="Attempts">
        <Table<Attempt>
          caption="Attempts"
          rows={attemptsOf(events)}
          keyOf={({ number, startedAt }) => `${number} ${startedAt}`}
          empty="It was never started."
          columns={[
            { title: 'Attempt', isNumber: true, cell: ({ number }) => number },
            { title: 'Started', cell: ({ startedAt }) => dateTime(startedAt) },
            {
              title: 'Took',
              isNumber: true,
              cell: ({ startedAt, endedAt }) =>
                endedAt === null ? '' : seconds((endedAt - startedAt) / 1000),
            },
            { title: 'Result', cell: ({ verdict }) => verdict ?? 'under way, or lost' },
            { title: 'Why', cell: ({ cause }) => cause },
          ]}
        />
      </Panel>
      {forced.length === 0 ? null : (
        <Panel title="Set by hand">
          <Table<Forced>
            caption="States that were set by hand"
            rows={forced}
            keyOf={({ seq }) => `${seq}`}
            empty=""
            columns={[
              { title: 'When', cell: ({ at }) => dateTime(at) },
              { title: 'Before', cell: ({ old }) => old },
              { title: 'After', cell: ({ new: now }) => now },
              { title: 'Who', cell: ({ actor }) => actor },
              { title: 'Why', cell: ({ cause }) => cause },
            ]}
          />
        </Panel>
      )}
      {triggers.length === 0 ? null : (
        <Panel title="Triggers" note="commands that it has started; nobody waits for them">
          <Table<FiredTrigger>
            caption="Triggers that were fired"
            rows={triggers}
            keyOf={({ seq }) => `${seq}`}
            empty=""
            columns={[
              { title: 'When', cell: ({ at }) => dateTime(at) },
              { title: 'On', cell: ({ on }) => on },
              { title: 'Command', cell: ({ command }) => <code>{command}</code> },
            ]}
          />
        </Panel>
      )}
    </>
  );
}
