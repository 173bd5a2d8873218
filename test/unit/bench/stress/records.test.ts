/** A sender's transactions: from the seed, and only on rows that exist. */
import { describe, expect, test } from 'vitest';
import { type RecordRow, Records, type Statement } from '../../../../src/bench/stress/records.ts';
import {
  drawEnd,
  drawTransaction,
  randomOf,
} from '../../../../src/bench/stress/transaction-plan.ts';

const SEEDS = [1, 2, 3];
const TRANSACTIONS = 200;

/** What Postgres would do, and what it would refuse. */
class Table {
  readonly rows = new Map<number, RecordRow>();
  readonly wrong: string[] = [];

  run(statements: readonly Statement[]): void {
    for (const { kind, rows } of statements) {
      if (new Set(rows.map(({ id }) => id)).size !== rows.length) this.wrong.push(`${kind} twice`);
      for (const row of rows) this.#change(kind, row);
    }
  }

  #change(kind: Statement['kind'], row: RecordRow): void {
    const before = this.rows.get(row.id);
    if ((before === undefined) !== (kind === 'insert')) this.wrong.push(`${kind} of ${row.id}`);
    if (kind === 'delete') this.rows.delete(row.id);
    else this.rows.set(row.id, row);
    if (kind === 'insert' || before === undefined) return;
    // What a statement leaves out of its columns stays as it is.
    const kept = {
      update: { _change_selector: row._change_selector },
      touch: { content: row.content, _change_selector: row._change_selector },
      move: { ...row, _change_selector: before._change_selector },
      delete: row,
    }[kind];
    for (const [column, value] of Object.entries(kept)) {
      if (before[column as keyof RecordRow] !== value) this.wrong.push(`${kind} of ${column}`);
    }
  }
}

type Story = {
  readonly records: Records;
  readonly table: Table;
  /** Of all transactions, also of what was rolled back. */
  readonly statements: Statement[];
};

/** Every third transaction fails; every seventh is open while the next one commits. */
function tell(seed: number): Story {
  const story: Story = { records: new Records(0), table: new Table(), statements: [] };
  let open: (() => void) | null = null;
  for (let index = 1; index <= TRANSACTIONS; index += 1) {
    const plan = drawTransaction(contextOf(seed, index, story.records));
    const { draft, statements, undone } = plan;
    const isCommitted = index % 3 !== 0;
    story.statements.push(...statements, ...(undone?.statements ?? []));
    const settle = (): void => {
      if (isCommitted) story.table.run(statements);
      if (undone !== null) story.records.settle(undone.draft, false);
      story.records.settle(draft, isCommitted);
    };
    if (index % 7 === 0 && open === null) {
      open = settle;
      continue;
    }
    settle();
    open?.();
    open = null;
  }
  open?.();
  return story;
}

function contextOf(seed: number, index: number, records: Records) {
  return {
    ...{ sender: 0, senders: 2, records, group: 1, isBeside: false },
    tx: `sender-1/${index}`,
    random: randomOf(seed, 0, index),
  };
}

describe.each(SEEDS)('seed %i', (seed) => {
  test('only rows that exist are changed, and the sender knows what is there', () => {
    const { records, table } = tell(seed);
    expect(table.wrong).toEqual([]);
    expect([...records.rows].sort()).toEqual([...table.rows].sort());
    expect(records.size).toBeGreaterThan(50);
  });

  test('the same seed writes the same', () => {
    const [first, second] = [tell(seed), tell(seed)];
    expect(JSON.stringify(first.statements)).toBe(JSON.stringify(second.statements));
    expect(JSON.stringify(tell(seed + 1).statements)).not.toBe(JSON.stringify(first.statements));
  });

  test('P3: no content is written twice', () => {
    const contents = tell(seed)
      .statements.filter(({ kind }) => kind === 'insert' || kind === 'update')
      .flatMap(({ rows }) => rows.map(({ content }) => content ?? ''))
      .filter((content) => content.length > 2);
    expect(contents.length).toBeGreaterThan(1000);
    expect(new Set(contents).size).toBe(contents.length);
  });
});

test.each(SEEDS)(
  'the first row of a transaction is there exactly when it has committed (seed %i)',
  (seed) => {
    const records = new Records(0);
    for (let index = 1; index <= TRANSACTIONS; index += 1) {
      const { draft, statements } = drawTransaction(contextOf(seed, index, records));
      const [first] = draft.changed.values();
      const touched = statements.flatMap(({ rows }) => rows.filter(({ id }) => id === first?.id));
      expect(touched).toEqual([first]);
      records.settle(draft, true);
    }
  },
);

test('an "end" stays until it is acknowledged, then it may go', () => {
  const records = new Records(0);
  const end = drawEnd(contextOf(1, 1, records));
  records.settle(end.draft, true);
  const [id] = end.draft.changed.keys();
  expect(records.take(randomOf(1, 0, 2))).toBeUndefined();
  records.release(id ?? 0);
  expect(records.take(randomOf(1, 0, 2))?.id).toBe(id);
});
