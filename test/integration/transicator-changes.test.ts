/** Upstream's acceptance cases of /changes, on a real Postgres. */
import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest';
import { decodeChanges } from '../../src/bench/transicator/schema.ts';
import type { Stack } from '../support/stack.ts';
import {
  getChanges,
  type JsonChange,
  openTransicator,
  refusal,
  said,
  settled,
} from '../support/transicator-world.ts';

const SCHEMA = `CREATE TABLE item (id int PRIMARY KEY, note text, _change_selector text);
  CREATE TABLE other (id int PRIMARY KEY, tenant text);`;

let stack: Stack;

beforeEach(async () => {
  stack = await openTransicator({
    postgresUrl: inject('postgresUrl'),
    schema: SCHEMA,
    tables: { 'public.other': 'tenant' },
    engine: { limits: { partBytesMax: 4096 } },
  });
});

afterEach(async () => {
  await stack.close();
});

const write = async (sql: string): Promise<void> => {
  await stack.sql.query(sql);
  await settled(stack);
};
const insert = (id: number, selector: string): string =>
  `INSERT INTO item VALUES (${id}, 'note ${id}', '${selector}');`;
const ids = (
  changes: readonly JsonChange[] | null,
): readonly (string | null | undefined)[] | null =>
  changes?.map(({ newRow, oldRow }) => (newRow ?? oldRow)?.id?.value) ?? null;

describe.each(['scope', 'selector'])('asked with %s', (name) => {
  test('an empty log has no changes and stands at 0.0.0', async () => {
    expect(await getChanges(stack, `${name}=foo`)).toEqual({
      changes: null,
      ...{ lastSequence: '0.0.0', firstSequence: '0.0.0' },
    });
  });

  test('one row is first and last; its sequence is its position and number', async () => {
    await write(insert(1, 'foo'));
    const answer = await getChanges(stack, `${name}=foo`);
    const [change] = answer.changes ?? [];
    expect(answer.changes?.map(said)).toEqual([
      'insert public.item id=1,note=note 1,_change_selector=foo -',
    ]);
    const [high, low, index] =
      change?.sequence.split('.').map((part) => Number.parseInt(part, 16)) ?? [];
    expect((high ?? 0) * 2 ** 32 + (low ?? 0)).toBe(change?.commitSequence);
    expect(index).toBe(change?.commitIndex);
    expect(answer.firstSequence).toBe(change?.sequence);
    expect(answer.lastSequence).toBe(change?.sequence);
  });

  test('other selectors and a since in the future get nothing', async () => {
    await write(insert(1, 'foo'));
    const { lastSequence } = await getChanges(stack, `${name}=foo`);
    const none = { changes: null, lastSequence, firstSequence: lastSequence };
    expect(await getChanges(stack, `${name}=bar`)).toEqual(none);
    expect(await getChanges(stack, `${name}=foo&since=fff.0.0`)).toEqual(none);
    expect(await getChanges(stack, `${name}=foo&since=${lastSequence}`)).toEqual(none);
    expect(await getChanges(stack, `${name}=foo&limit=0`)).toEqual(none);
    expect(await getChanges(stack, `${name}=foo&limit=-3`)).toEqual(none);
  });

  test('six rows over two selectors: the log-wide last, unless the limit is hit', async () => {
    for (let id = 1; id <= 6; id += 1) await write(insert(id, id % 2 === 1 ? 'foo' : 'bar'));
    const all = await getChanges(stack, `${name}=foo&${name}=bar`);
    const sequences = all.changes?.map(({ sequence }) => sequence) ?? [];
    expect(ids(all.changes)).toEqual(['1', '2', '3', '4', '5', '6']);
    expect(all.lastSequence).toBe(sequences[5]);
    const cases: readonly (readonly [string, readonly string[] | null, string | undefined])[] = [
      [`${name}=foo`, ['1', '3', '5'], sequences[5]],
      [`${name}=bar`, ['2', '4', '6'], sequences[5]],
      [`${name}=foo&limit=1`, ['1'], sequences[0]],
      [`${name}=foo&limit=2`, ['1', '3'], sequences[2]],
      [`${name}=foo&limit=3`, ['1', '3', '5'], sequences[4]],
      [`${name}=foo&limit=4`, ['1', '3', '5'], sequences[5]],
      [`${name}=foo&since=${sequences[2]}`, ['5'], sequences[5]],
      [`${name}=baz`, null, sequences[5]],
      [`${name}=baz&block=1`, null, sequences[5]],
      [`${name}=foo&since=${sequences[4]}`, null, sequences[5]],
    ];
    for (const [query, found, last] of cases) {
      const answer = await getChanges(stack, query);
      expect([query, ids(answer.changes), answer.lastSequence]).toEqual([query, found, last]);
      expect(answer.firstSequence).toBe(sequences[0]);
    }
  });

  test('a blocked request answers with the one change that comes, and not before', async () => {
    await write(insert(1, 'foo'));
    const { lastSequence } = await getChanges(stack, `${name}=foo`);
    let isAnswered = false;
    const waiting = getChanges(stack, `${name}=foo&${name}=baz&since=${lastSequence}&block=20`);
    void waiting.then(() => {
      isAnswered = true;
    });
    await write(insert(2, 'bar'));
    expect(isAnswered).toBe(false);
    await write(insert(3, 'foo'));
    expect(ids((await waiting).changes)).toEqual(['3']);
  });

  test('injection is refused in the first and in the second selector', async () => {
    const bad = encodeURIComponent("foo'; DROP TABLE item; --");
    for (const query of [`${name}=${bad}`, `${name}=foo&${name}=${bad}`, `${name}=FOO`]) {
      expect(await refusal(stack, `/changes?${query}`)).toMatchObject({
        ...{ status: 400, code: 'PARAMETER_INVALID' },
      });
    }
  });
});

test('without a selector, rows of the empty selector come', async () => {
  await write(`${insert(1, '') + insert(2, 'foo')}INSERT INTO item VALUES (3, NULL, NULL)`);
  expect(ids((await getChanges(stack, '')).changes)).toEqual(['1']);
  const waiting = getChanges(
    stack,
    `snapshot=1:1:&block=20&since=${(await getChanges(stack, '')).lastSequence}`,
  );
  await write(insert(4, ''));
  expect(ids((await waiting).changes)).toEqual(['4']);
});

test('a selector rule of its own works as the column does', async () => {
  await write("INSERT INTO other VALUES (1, 'foo'), (2, 'bar')");
  expect((await getChanges(stack, 'scope=foo')).changes?.map(said)).toEqual([
    'insert public.other id=1,tenant=foo -',
  ]);
});

test('snapshot leaves out what it shows, and nothing else', async () => {
  const client = await stack.client();
  await stack.sql.query(insert(1, 'foo'));
  await client.query('BEGIN');
  await client.query(insert(2, 'foo'));
  const { rows } = await stack.sql.query<{ s: string }>('SELECT pg_current_snapshot()::text AS s');
  await client.query('COMMIT');
  await settled(stack);
  const snapshot = rows[0]?.s ?? '';
  expect(ids((await getChanges(stack, 'scope=foo')).changes)).toEqual(['1', '2']);
  expect(ids((await getChanges(stack, `scope=foo&snapshot=${snapshot}`)).changes)).toEqual(['2']);
});

test('limits and forms that cannot be are refused by name', async () => {
  const cases: readonly (readonly [string, string])[] = [
    ['limit=100001', 'limit'],
    ['limit=x', 'limit'],
    ['block=1.5', 'block'],
    ['since=1.2', 'since'],
    ['since=x0.0.0', 'since'],
    ['since=0.0.0x', 'since'],
    ['snapshot=1:2', 'snapshot'],
    ['snapshot=1:2:3,', 'snapshot'],
    ['snapshot=1:2:3,x', 'snapshot'],
  ];
  for (const [query, named] of cases) {
    const { status, code, text } = await refusal(stack, `/changes?scope=foo&${query}`);
    expect([query, status, code]).toEqual([query, 400, 'PARAMETER_INVALID']);
    expect(text).toContain(named);
  }
  const accept = { headers: { accept: 'text/html' } };
  expect(await refusal(stack, '/changes?scope=foo', accept)).toMatchObject({
    ...{ status: 415, code: 'UNSUPPORTED_FORMAT' },
  });
  const posted = await fetch(`${stack.server}/changes?scope=foo`, { method: 'POST' });
  expect(posted.status).toBe(405);
});

test('a transaction is never cut: limit ends at its end, and a larger one comes whole', async () => {
  await write(insert(1, 'foo'));
  await write(`BEGIN; ${insert(2, 'foo')} ${insert(3, 'bar')} ${insert(4, 'foo')} COMMIT`);
  await write(insert(5, 'foo'));
  const whole = await getChanges(stack, 'scope=foo&limit=2');
  expect(ids(whole.changes)).toEqual(['1']);
  const next = await getChanges(stack, `scope=foo&limit=1&since=${whole.lastSequence}`);
  expect(ids(next.changes)).toEqual(['2', '4']);
  expect(next.changes?.map(({ commitIndex }) => commitIndex)).toEqual([0, 2]);
  expect(next.lastSequence).toBe(next.changes?.[1]?.sequence);
  const rest = await getChanges(stack, `scope=foo&since=${next.lastSequence}`);
  expect(ids(rest.changes)).toEqual(['5']);
});

test('a client that stopped inside a transaction goes on inside it', async () => {
  await write(`BEGIN; ${[1, 2, 3].map((id) => insert(id, 'foo')).join('')} COMMIT`);
  const { changes } = await getChanges(stack, 'scope=foo');
  const rest = await getChanges(stack, `scope=foo&since=${changes?.[0]?.sequence}`);
  expect(rest.changes).toEqual(changes?.slice(1));
});

test('numbers count over all parts of a large transaction and over all selectors', async () => {
  await write(`INSERT INTO item SELECT g, repeat('x', 100), CASE g % 3 WHEN 0 THEN 'foo' WHEN 1 THEN 'bar' ELSE 'baz' END
    FROM generate_series(0, 999) g`);
  const answers = await Promise.all(
    ['foo', 'bar', 'baz'].map((scope) => getChanges(stack, `scope=${scope}&limit=10`)),
  );
  const [all] = [await getChanges(stack, 'scope=foo&scope=bar&scope=baz&limit=100000')];
  expect(all?.changes?.map(({ commitIndex }) => commitIndex)).toEqual(
    Array.from({ length: 1000 }, (_none, index) => index),
  );
  answers.forEach(({ changes }, rest) => {
    expect(changes?.every(({ commitIndex }) => commitIndex % 3 === rest)).toBe(true);
    expect(changes?.length).toBe(rest === 0 ? 334 : 333);
  });
  expect(all?.lastSequence.endsWith('.3e7')).toBe(true);
  expect(await getChanges(stack, `scope=foo&since=${all?.lastSequence}`)).toMatchObject({
    ...{ changes: null, lastSequence: all?.lastSequence },
  });
});

test('C2: an insert, then a delete with the whole old row, each found by a blocked request', async () => {
  await write(insert(1, 'foo') + insert(2, 'bar'));
  const { lastSequence } = await getChanges(stack, 'scope=foo');
  const inserted = getChanges(stack, `scope=foo&since=${lastSequence}&block=5`);
  await write(insert(4, 'foo'));
  const first = await inserted;
  expect(ids(first.changes)).toEqual(['4']);
  const deleted = getChanges(stack, `scope=foo&since=${first.lastSequence}&block=5`);
  await write('DELETE FROM item WHERE id = 4');
  expect((await deleted).changes?.map(said)).toEqual([
    'delete public.item - id=4,note=note 4,_change_selector=foo',
  ]);
});

test('protobuf says what JSON says', async () => {
  await write(
    `${insert(0, 'foo')} UPDATE item SET note = NULL WHERE id = 0; DELETE FROM item WHERE id = 0`,
  );
  const json = await getChanges(stack, 'scope=foo');
  const accept = 'application/transicator+protobuf';
  const answer = await fetch(`${stack.server}/changes?scope=foo`, { headers: { accept } });
  expect(answer.headers.get('content-type')).toBe(accept);
  const proto = decodeChanges(new Uint8Array(await answer.arrayBuffer()));
  expect(proto.lastSequence).toBe(json.lastSequence);
  expect(proto.firstSequence).toBe(json.firstSequence);
  const texts = proto.changes.map(({ newColumns, oldColumns, txid, ...rest }) => ({
    ...rest,
    ...{ txid: Number(txid), commitSequence: Number(rest.commitSequence) },
    commitIndex: rest.commitIndex ?? 0,
    rows: [newColumns, oldColumns].map((columns) =>
      columns.map(({ name, value, type }) => [name, value === null ? null : String(value), type]),
    ),
  }));
  const listed = (row: JsonChange['newRow']) =>
    Object.entries(row ?? {}).map(([name, { value, type }]) => [name, value, type]);
  expect(texts).toEqual(
    json.changes?.map(
      ({
        newRow,
        oldRow,
        changeSequence: _,
        timestamp: __,
        ...rest
      }: JsonChange & { changeSequence?: number }) => ({
        ...rest,
        rows: [listed(newRow), listed(oldRow)],
      }),
    ),
  );
  expect(proto.changes[0]?.newColumns[0]).toEqual({ name: 'id', value: 0n, type: 23 });
});

test('rows before a TRUNCATE or a dropped column are refused, not guessed', async () => {
  await write(insert(1, 'foo'));
  const { lastSequence } = await getChanges(stack, 'scope=foo');
  await write('TRUNCATE item');
  const tooOld = { status: 400, code: 'SNAPSHOT_TOO_OLD' };
  expect(await refusal(stack, `/changes?scope=foo&since=${lastSequence}`)).toMatchObject(tooOld);
  expect(await refusal(stack, '/changes?scope=foo')).toMatchObject(tooOld);
  const { rows } = await stack.sql.query<{ s: string }>('SELECT pg_current_snapshot()::text AS s');
  await write(insert(2, 'foo'));
  const after = await getChanges(stack, `scope=foo&snapshot=${rows[0]?.s}`);
  expect(ids(after.changes)).toEqual(['2']);
  await write('ALTER TABLE item DROP COLUMN note');
  await write("INSERT INTO item VALUES (3, 'foo')");
  const query = `/changes?scope=foo&snapshot=${rows[0]?.s}&since=${after.lastSequence}`;
  expect(await refusal(stack, query)).toMatchObject(tooOld);
  await stack.stop();
  await stack.start();
  expect(await refusal(stack, query)).toMatchObject(tooOld);
});

test('a TRUNCATE inside a transaction of many parts is found, and what comes after it is served', async () => {
  await write('CREATE TABLE word (id int PRIMARY KEY, _change_selector text)');
  await write(`BEGIN; INSERT INTO item SELECT g, repeat('x', 50), 'bar' FROM generate_series(1, 500) g;
    TRUNCATE word; INSERT INTO item SELECT g, repeat('x', 50), 'bar' FROM generate_series(501, 999) g; COMMIT`);
  const { rows } = await stack.sql.query<{ s: string }>('SELECT pg_current_snapshot()::text AS s');
  await write(insert(1000, 'foo'));
  expect(await refusal(stack, '/changes?scope=foo')).toMatchObject({ code: 'SNAPSHOT_TOO_OLD' });
  const { changes } = await getChanges(stack, `scope=foo&snapshot=${rows[0]?.s}`);
  expect(ids(changes)).toEqual(['1000']);
});

test('an added column comes with the rows that have it', async () => {
  await write(insert(1, 'foo'));
  await write('ALTER TABLE item ADD COLUMN size int DEFAULT 7');
  await write("INSERT INTO item VALUES (2, 'b', 'foo', 9)");
  expect((await getChanges(stack, 'scope=foo')).changes?.map(said)).toEqual([
    'insert public.item id=1,note=note 1,_change_selector=foo -',
    'insert public.item id=2,note=b,_change_selector=foo,size=9 -',
  ]);
});

test('a row that moves is deleted for one selector and inserted for the other', async () => {
  await write(insert(1, 'foo'));
  const { lastSequence } = await getChanges(stack, 'scope=foo');
  await write("UPDATE item SET _change_selector = 'bar' WHERE id = 1");
  const [foo, bar] = await Promise.all(
    ['foo', 'bar'].map((scope) => getChanges(stack, `scope=${scope}&since=${lastSequence}`)),
  );
  expect(foo?.changes?.map(({ operation, commitIndex }) => [operation, commitIndex])).toEqual([
    [3, 0],
  ]);
  expect(bar?.changes?.map(({ operation, commitIndex }) => [operation, commitIndex])).toEqual([
    [1, 1],
  ]);
});

test('marked down, it answers nothing but that it lives', async () => {
  expect((await fetch(`${stack.server}/markdown`)).status).toBe(405);
  expect((await fetch(`${stack.server}/markdown`, { method: 'POST' })).status).toBe(200);
  expect(await refusal(stack, '/changes?scope=foo')).toMatchObject({ status: 503 });
  expect(await refusal(stack, '/snapshots?scope=foo')).toMatchObject({ status: 503 });
  expect((await fetch(`${stack.server}/ready`)).status).toBe(503);
  expect((await fetch(`${stack.server}/health`)).status).toBe(200);
});
