/**
 * Interleavings of up to six concurrent transactions with commits and rollbacks around a snapshot. For each, the
 * snapshot's rows plus the changes that its text does not leave out must be Postgres' final state, each row once.
 */
import type pg from 'pg';
import { afterAll, beforeAll, beforeEach, expect, inject, test } from 'vitest';
import type { Stack } from '../support/stack.ts';
import { getChanges, getSnapshot, openTransicator, settled } from '../support/transicator-world.ts';

/** `b1` begin, `w1` write, `c1` commit, `r1` roll back, `s` take the snapshot. */
const SCRIPTS: readonly (readonly [string, string])[] = [
  ['everything before the snapshot', 'b1 w1 c1 b2 w2 r2 b3 w3 c3 s'],
  ['everything after the snapshot', 's b1 w1 c1 b2 w2 c2 b3 w3 r3'],
  ['one open over the snapshot', 'b1 w1 b2 w2 c2 s c1'],
  ['a later one commits first', 'b1 w1 b2 w2 b3 w3 c3 s c2 c1'],
  ['commits and rollbacks on both sides', 'b1 w1 b2 w2 b3 w3 b4 w4 c1 r2 s c3 r4'],
  ['begun before, written on both sides', 'b1 b2 b3 w1 w2 c2 s w1 w3 c3 b4 w4 c4 c1'],
  ['six at once', 'b1 b2 b3 b4 b5 b6 w1 w2 w3 w4 w5 c5 r3 w1 s w6 c2 c6 w1 r4 c1'],
];

let stack: Stack;
const clients: pg.Client[] = [];

beforeAll(async () => {
  stack = await openTransicator({
    postgresUrl: inject('postgresUrl'),
    schema: 'CREATE TABLE item (id serial PRIMARY KEY, tx int, _change_selector text);',
  });
  for (let index = 0; index < 6; index += 1) clients.push(await stack.client());
});

beforeEach(async () => {
  await stack.sql.query('DELETE FROM item');
});

afterAll(async () => {
  await stack.close();
});

type Seen = { readonly snapshot: string; readonly rows: string[] };

async function takeSnapshot(): Promise<Seen> {
  const { snapshotInfo, tables } = await getSnapshot(stack, 'scope=foo');
  const rows = tables?.[0]?.rows?.map(({ id }) => id?.value ?? '') ?? [];
  return { snapshot: snapshotInfo, rows: [...rows] };
}

async function play(script: string): Promise<Seen> {
  let seen: Seen | null = null;
  for (const step of script.split(' ')) {
    const client = clients[Number(step.slice(1)) - 1];
    if (step === 's') seen = await takeSnapshot();
    else if (step.startsWith('b')) await client?.query('BEGIN');
    else if (step.startsWith('c')) await client?.query('COMMIT');
    else if (step.startsWith('r')) await client?.query('ROLLBACK');
    else
      await client?.query(
        `INSERT INTO item (tx, _change_selector) VALUES (${step.slice(1)}, 'foo')`,
      );
  }
  if (seen === null) throw new Error('the script takes no snapshot');
  return seen;
}

async function stateOfPostgres(): Promise<readonly string[]> {
  const { rows } = await stack.sql.query<{ id: number }>('SELECT id FROM item ORDER BY id');
  return rows.map(({ id }) => String(id));
}

/** Inserts must be of rows that are not there, deletes of rows that are. */
function apply(rows: string[], changes: Awaited<ReturnType<typeof getChanges>>['changes']): void {
  for (const { operation, newRow, oldRow } of changes ?? []) {
    const id = (newRow ?? oldRow)?.id?.value ?? '';
    expect(rows.includes(id)).toBe(operation !== 1);
    if (operation === 1) rows.push(id);
    else rows.splice(rows.indexOf(id), 1);
  }
}

test.each(SCRIPTS)(
  '%s: snapshot and filtered changes are the final state',
  async (_name, script) => {
    const { snapshot, rows } = await play(script);
    await settled(stack);
    const query = `scope=foo&snapshot=${snapshot}`;
    const all = await getChanges(stack, query);
    apply(rows, all.changes);
    expect([...rows].sort((a, b) => Number(a) - Number(b))).toEqual(await stateOfPostgres());
    expect((await getChanges(stack, `${query}&since=${all.lastSequence}`)).changes).toBeNull();
  },
);

test.each(SCRIPTS)('%s: read one transaction at a time it is the same', async (_name, script) => {
  const { snapshot, rows } = await play(script);
  await settled(stack);
  let since = '';
  for (let polls = 0; polls < 20; polls += 1) {
    const query = `scope=foo&snapshot=${snapshot}&limit=1&since=${since}`;
    const { changes, lastSequence } = await getChanges(stack, query);
    if (changes === null) break;
    apply(rows, changes);
    since = lastSequence;
  }
  expect([...rows].sort((a, b) => Number(a) - Number(b))).toEqual(await stateOfPostgres());
});
