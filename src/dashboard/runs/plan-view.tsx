/** A plan as a table: tests and their items, what each does, what it waits for, and why it is there. */
import type { JSX } from 'preact';
import type { Does, PlannedEdge, PlannedTest } from '../../planner/plan.ts';
import type { PlanAnswer } from '../../protocol/runs.ts';
import { count } from '../format.ts';
import { Badge, Table, type Tone } from '../parts.tsx';

type PlanLine = {
  readonly key: string;
  readonly name: string;
  readonly isItem: boolean;
  readonly does: string;
  readonly tone: Tone;
  readonly after: string;
  readonly why: string;
};

const TONES: Readonly<Record<Does, Tone>> = {
  ...{ runs: 'good', kept: 'idle', adopted: 'warn', never: 'bad' },
};

export function PlanView({ answer: { plan, leftOut } }: { answer: PlanAnswer }): JSX.Element {
  const lines = plan.tests.flatMap(linesOf);
  return (
    <section class="plan" aria-label="Plan">
      <p data-testid="plan">{summaryOf(plan.tests, leftOut)}</p>
      <Table
        caption="What would run"
        rows={lines}
        keyOf={({ key }) => key}
        empty="No test fits."
        columns={[
          {
            title: 'Test',
            cell: ({ name, isItem }) => (isItem ? <span class="indent">{name}</span> : name),
          },
          {
            title: 'Does',
            cell: ({ does, tone }) => (does === '' ? '' : <Badge tone={tone}>{does}</Badge>),
          },
          { title: 'After', cell: ({ after }) => after },
          { title: 'Why', cell: ({ why }) => why },
        ]}
      />
      {plan.findings.length === 0 ? null : (
        <ul class="sentences">
          {plan.findings.map(({ message, origin }) => (
            <li key={`${origin?.file} ${origin?.line} ${message}`}>
              {origin === null ? message : `${origin.file}:${origin.line}: ${message}`}
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}

function summaryOf(tests: readonly PlannedTest[], leftOut: number): string {
  const execs = tests.flatMap((test) => test.execs);
  const counts = (['runs', 'kept', 'adopted', 'never'] as const).flatMap((does) => {
    const times = execs.filter((exec) => exec.does === does).length;
    return times === 0 && does !== 'runs' ? [] : [`${does} ${count(times)}`];
  });
  const rest = leftOut === 0 ? [] : [`${count(leftOut)} more items are not shown`];
  const number = tests.length === 1 ? '1 test' : `${count(tests.length)} tests`;
  return [number, ...counts, ...rest].join(', ');
}

/** A test, and its items where it has some. */
function linesOf(test: PlannedTest): readonly PlanLine[] {
  const after = namesOf(test.waitsFor);
  const [only] = test.execs;
  const isPlain = test.items === 'none' && only !== undefined;
  const own: PlanLine = {
    ...{ key: test.name, name: test.name, isItem: false, after },
    does: isPlain ? only.does : test.items === 'late' ? 'items known later' : '',
    tone: isPlain ? TONES[only.does] : 'idle',
    why: wordsOf([test.why, test.reason, isPlain ? only.reason : '']),
  };
  if (isPlain) return [own];
  const items = test.execs.map(({ exec, itemPath, does, why, reason, waitsFor }) => ({
    ...{ key: exec, name: itemPath, isItem: true, does, tone: TONES[does] },
    ...{ after: namesOf(waitsFor), why: wordsOf([why, reason]) },
  }));
  return [own, ...items];
}

function namesOf(edges: readonly PlannedEdge[]): string {
  return edges.map(({ on, mode }) => (mode === 'normal' ? on : `${on} (${mode})`)).join(', ');
}

function wordsOf(words: readonly string[]): string {
  return [...new Set(words)].filter((word) => word !== '').join('; ');
}
