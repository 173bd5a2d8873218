import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Upload, UploadChange } from '../../src/core/upload.ts';
import type { Cell } from '../../src/core/value.ts';
import { deadRow, merge, type RowState } from '../../src/merge/row-state.ts';
import { type Change, changed, codes, inserted, UploadWorld } from '../support/upload-world.ts';

let world: UploadWorld;

beforeAll(async () => {
  world = await UploadWorld.open();
});

afterAll(() => world.close());

const NOTE = { title: 'a', body: null, n: 1 };

/** The same upload as one that is too large to be held as objects. */
function asLarge(upload: Upload, pieceSize: number): Upload {
  const [transaction] = upload.transactions;
  const { number = 0, nonce = '', changes = [] } = transaction ?? {};
  function* pieces(): Generator<readonly UploadChange[]> {
    for (let at = 0; at < changes.length; at += pieceSize) yield changes.slice(at, at + pieceSize);
  }
  const tables = [...new Set(changes.map(([, table]) => table))];
  return { ...upload, transactions: [{ number, nonce, changes: [], large: { tables, pieces } }] };
}

describe('a large transaction', () => {
  const keys = Array.from({ length: 20 }, (_, index) => `large-${index}`);
  const first = inserted(NOTE);
  const edit = changed(first, { title: 'edited' });

  test('lands part by part as it would at once, also rows that are in several parts', async () => {
    const site = world.site();
    const changes: Change[] = [
      ...keys.map((key): Change => ['note', key, first]),
      ...keys.slice(0, 10).map((key): Change => ['note', key, edit]),
      ...keys.slice(15).map((key): Change => ['note', key, deadRow(2)]),
    ];
    const sent = await site.apply(asLarge(site.upload(changes), 4));
    expect(sent).toMatchObject({ accepted: 1, rejected: [], applied: 1 });
    const rows = await world.rows(
      "SELECT title, count(*)::int AS rows FROM note WHERE id LIKE 'large-%' GROUP BY 1 ORDER BY 1",
    );
    expect(rows).toEqual([
      { title: 'a', rows: 5 },
      { title: 'edited', rows: 10 },
    ]);
    expect(await world.versions('note', 'large-0')).toEqual({ cl: 1, versions: [2, 1, 1] });
    expect(await world.versions('note', 'large-19')).toEqual({ cl: 2, versions: null });
  });

  test('is refused as a whole, with the place; the next one lands', async () => {
    const site = world.site();
    const teams = keys.map((key): Change => ['team', key, inserted({ email: key, size: 1 })]);
    const bad: Change = ['team', 'bad', inserted({ email: 'bad', size: -1 })];
    const refused = await site.apply(asLarge(site.upload([...teams, bad]), 6));
    expect(refused).toMatchObject({ accepted: 1, applied: 0, rejected: [{ code: 'CONSTRAINT' }] });
    expect(await world.rows("SELECT FROM team WHERE id LIKE 'large-%'")).toEqual([]);
    const value: Change = ['team', 'bad', inserted({ email: 'bad', size: 'many' })];
    const again = await site.apply(asLarge(site.upload([...teams, value]), 6));
    expect(again.rejected.map(({ code }) => code)).toEqual(['CONSTRAINT', 'BAD_VALUE']);
    expect(await site.apply(asLarge(site.upload(teams), 6))).toMatchObject({ applied: 1 });
  });

  test('has its deferred constraints checked at its end, not at the end of a part', async () => {
    const site = world.site();
    const members = keys.map((key): Change => ['member', key, inserted({ team: 'later' })]);
    const team: Change = ['team', 'later', inserted({ email: 'later', size: 1 })];
    const without = await site.apply(asLarge(site.upload(members), 6));
    expect(codes(without.rejected)).toEqual(['1 CONSTRAINT']);
    const whole = await site.apply(asLarge(site.upload([...members, team]), 6));
    expect(whole).toMatchObject({ accepted: 2, applied: 1 });
    expect(await world.rows("SELECT FROM member WHERE team = 'later'")).toHaveLength(keys.length);
  });

  test('and uploads of single rows of its tables go one after the other', async () => {
    const [one, other] = [world.site(), world.site()];
    const rows = keys.map((key): Change => ['note', `queue-${key}`, first]);
    const small = keys.slice(0, 3).map((key): Change => ['note', `queue-${key}`, edit]);
    const done: string[] = [];
    await Promise.all([
      one.apply(asLarge(one.upload(rows), 3)).then(() => done.push('large')),
      other.send(small).then(({ rejected }) => done.push(`small ${rejected.length}`)),
    ]);
    expect(done).toEqual(['large', 'small 0']);
  });
});

describe('what lands', () => {
  test('inserts, updates and deletes of many rows, with nothing in the companion that the triggers did not write', async () => {
    const site = world.site();
    const first = inserted(NOTE);
    const ids = Array.from({ length: 50 }, (_, index) => `many-${index}`);
    const sent = await site.send(...ids.map((id) => [['note', id, first]] as Change[]));
    expect(sent).toMatchObject({ accepted: 50, rejected: [], applied: 50 });
    const edit = changed(first, { title: 'b', n: null });
    await site.send(
      ids.slice(0, 30).map((id) => ['note', id, edit]),
      ids.slice(40).map((id) => ['note', id, deadRow(2)]),
    );
    const rows = await world.rows(
      "SELECT title, n, count(*)::int AS rows FROM note WHERE id LIKE 'many-%' GROUP BY 1, 2 ORDER BY 1",
    );
    expect(rows).toEqual([
      { title: 'a', n: 1, rows: 10 },
      { title: 'b', n: null, rows: 30 },
    ]);
    expect(await world.versions('note', 'many-0')).toEqual({ cl: 1, versions: [2, 1, 2] });
    expect(await world.versions('note', 'many-35')).toEqual({ cl: 1, versions: null });
    expect(await world.versions('note', 'many-45')).toEqual({ cl: 2, versions: null });
  });

  test('a change of many versions, a new life and several changes of a row in one transaction leave the merged versions', async () => {
    const site = world.site();
    const first = inserted(NOTE);
    const twice = merge(first, changed(first, { title: 'b' }));
    const edit = changed(twice, { title: 'c', body: 'text' });
    await site.send([
      ['note', 'k1', first],
      ['note', 'k1', changed(first, { title: 'b' })],
      ['note', 'k1', edit],
    ]);
    expect(await world.versions('note', 'k1')).toEqual({ cl: 1, versions: [3, 2, 1] });
    const again = inserted({ title: 'again', body: 'x', n: 3 }, deadRow(2));
    await site.send([
      ['note', 'k1', deadRow(2)],
      ['note', 'k1', again],
    ]);
    expect(await world.versions('note', 'k1')).toEqual({ cl: 3, versions: null });
    expect(await world.rows("SELECT title, body, n FROM note WHERE id = 'k1'")).toEqual([
      { title: 'again', body: 'x', n: 3 },
    ]);
    await site.send(
      [['note', 'k2', inserted(NOTE)]],
      [['note', 'k2', deadRow(2)]],
      [['note', 'k2', again]],
      [['note', 'k2', changed(again, { n: 9 })]],
    );
    expect(await world.versions('note', 'k2')).toEqual({ cl: 3, versions: [1, 1, 2] });
  });

  test('writes that lose are taken without an effect', async () => {
    await world.sql.query(
      "INSERT INTO note VALUES ('lose', 'a', 'b', 1); UPDATE note SET title = 'x' WHERE id = 'lose'; UPDATE note SET title = 'y' WHERE id = 'lose'",
    );
    const base = inserted({ title: 'a', body: 'b', n: 1 });
    const sent = await world
      .site()
      .send(
        [['note', 'lose', changed(base, { title: 'zzz' })]],
        [['note', 'lose', changed(base, { n: 5 })]],
      );
    expect(sent.rejected).toEqual([]);
    expect(await world.rows("SELECT title, n FROM note WHERE id = 'lose'")).toEqual([
      { title: 'y', n: 5 },
    ]);
    await world.sql.query("DELETE FROM note WHERE id = 'lose'");
    await world
      .site()
      .send([['note', 'lose', changed(base, { title: 'late' })]], [['note', 'lose', base]]);
    expect(await world.rows("SELECT FROM note WHERE id = 'lose'")).toEqual([]);
    expect(await world.versions('note', 'lose')).toEqual({ cl: 2, versions: null });
  });

  test('two inserts of one key merge by column, and versions stay 1', async () => {
    await world.site().send([['note', 'both', inserted({ title: 'b', body: null, n: 1 })]]);
    await world.site().send([['note', 'both', inserted({ title: 'a', body: 'x', n: 2 })]]);
    expect(await world.rows("SELECT title, body, n FROM note WHERE id = 'both'")).toEqual([
      { title: 'b', body: 'x', n: 2 },
    ]);
    expect(await world.versions('note', 'both')).toEqual({ cl: 1, versions: [1, 1, 1] });
  });

  test('P22: values of every type arrive as Postgres has them, whatever their spelling', async () => {
    const row = {
      amount: '1.5',
      at: '2026-01-31 13:00:00+01',
      raw: new Uint8Array([0, 92, 255]),
      ok: 1,
      f: -0,
      big: 9007199254740993n,
      tags: '{a,"b c",NULL}',
      code: 'a"\\',
      u: 'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11',
    };
    const sent = await world.site().send([['thing', [1, 'k"\\,{}'], inserted(row)]]);
    expect(sent.rejected).toEqual([]);
    const query =
      "SELECT amount::text, (at = '2026-01-31 12:00Z') AS at, encode(raw, 'hex') AS raw, ok, f::text, big::text, tags, code, u::text FROM thing WHERE b = $1";
    expect(await world.rows(query, ['k"\\,{}'])).toEqual([
      {
        amount: '1.50',
        at: true,
        raw: '005cff',
        ok: true,
        f: '-0',
        big: '9007199254740993',
        tags: ['a', 'b c', null],
        code: 'a"\\',
        u: 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11',
      },
    ]);
  });

  test('P12: spellings of one value are one value, in whatever order they meet', async () => {
    const [one, two] = [
      'B0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11',
      'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11',
    ];
    const rest = {
      amount: null,
      at: null,
      raw: null,
      ok: null,
      f: null,
      big: null,
      tags: null,
      code: null,
    };
    for (const [key, order] of [
      [1, [one, two]],
      [2, [two, one]],
    ] as const) {
      for (const u of order)
        await world.site().send([['thing', [key, 'u'], inserted({ ...rest, u })]]);
    }
    expect(await world.rows("SELECT DISTINCT u FROM thing WHERE b = 'u'")).toEqual([
      { u: one.toLowerCase() },
    ]);
  });
});
describe('what is refused', () => {
  const team = (email: Cell, size: Cell = 1): RowState => inserted({ email, size });

  test('exactly the offending transactions, whole, with the reason; the others land', async () => {
    const site = world.site();
    const good = (id: string): Change[] => [['team', id, team(`${id}@x`)]];
    const sent = await site.send(
      good('t1'),
      [...good('t2-half'), ['team', 't2', team('t1@x')]],
      good('t3'),
      [['team', 't4', team('t4@x', -1)]],
      [['team', 't5', team('t5@x', 'many')]],
      [['member', 'm1', inserted({ team: 'nobody' })]],
      good('t7'),
      [['team', 't8', team(new Uint8Array([1]))]],
      [
        [
          'thing',
          [1, 'long'],
          inserted({
            amount: null,
            at: null,
            raw: null,
            ok: null,
            f: null,
            big: null,
            tags: null,
            code: 'toolong',
            u: null,
          }),
        ],
      ],
      [['note', 'missing', changed(inserted(NOTE), { title: 'x' })]],
      good('t11'),
    );
    expect(sent.accepted).toBe(11);
    expect(codes(sent.rejected)).toEqual([
      '2 CONSTRAINT',
      '4 CONSTRAINT',
      '5 BAD_VALUE',
      '6 CONSTRAINT',
      '8 BAD_VALUE',
      '9 BAD_VALUE',
      '10 ROW_MISSING',
    ]);
    const rows = await world.rows<{ id: string }>(
      "SELECT id FROM team WHERE id LIKE 't%' ORDER BY id",
    );
    expect(rows.map(({ id }) => id)).toEqual(['t1', 't11', 't3', 't7']);
    expect(sent.rejected[0]?.message).toContain('team_email_key');
    expect(sent.rejected[4]).toMatchObject({ table: 'public.team', key: ['t8'] });
  });

  test('nothing, where only the order within a transaction makes it right', async () => {
    const site = world.site();
    await site.send([['team', 'swap-a', team('swap@x')]]);
    const sent = await site.send([
      ['team', 'swap-b', team('other@x')],
      ['team', 'swap-a', deadRow(2)],
      ['team', 'swap-c', team('swap@x')],
      ['member', 'swap-m', inserted({ team: 'swap-d' })],
      ['team', 'swap-d', team(null)],
    ]);
    expect(sent.rejected).toEqual([]);
    expect(await world.rows("SELECT id FROM team WHERE email = 'swap@x'")).toEqual([
      { id: 'swap-c' },
    ]);
  });

  test('updates and deletes of a row whose insert was refused', async () => {
    const first = team('no@x', -1);
    const sent = await world
      .site()
      .send(
        [['team', 'no', first]],
        [['team', 'no', changed(first, { size: 3 })]],
        [['team', 'no', deadRow(2)]],
      );
    expect(codes(sent.rejected)).toEqual(['1 CONSTRAINT', '2 ROW_MISSING']);
    expect(await world.versions('team', 'no')).toEqual({ cl: 0, versions: null });
  });

  test('hostile versions, tables and places', async () => {
    const site = world.site();
    const first = inserted(NOTE);
    const upload = site.upload(
      [['note', 'h', first]],
      [['note', 'h', { ...first, cl: 2_000_001 }]],
      [['note', 'h', { cl: 1, columns: new Map([['n', { version: 2_000_000, value: 1 }]]) }]],
      [['note', 'h', deadRow(2)]],
      [['note', 'h', deadRow(2)]],
      [['note', 'h', deadRow(2)]],
      [['note', 'h', deadRow(2)]],
      [['note', 'h', deadRow(2)]],
    );
    const lines: readonly unknown[] = [
      ['d', 'public.note', 1e300, ['h']],
      ['d', 'public.note', 3, ['h']],
      ['d', 'pg_catalog.pg_class', 2, ['h']],
      ['u', 'public.note', 1, ['h'], [[9, 2, 1]]],
      ['d', 'public.note', 2, ['h', 'h']],
    ];
    const transactions = upload.transactions.map((transaction, index) =>
      index < 3 ? transaction : { ...transaction, changes: [lines[index - 3]] },
    );
    const sent = await site.apply({ ...upload, transactions } as typeof upload);
    expect(codes(sent.rejected)).toEqual([
      '2 BAD_VERSION',
      '3 BAD_VERSION',
      '4 BAD_VERSION',
      '5 BAD_VERSION',
      '6 NOT_TWOWAY',
      '7 NOT_TWOWAY',
      '8 BAD_VALUE',
    ]);
    expect(await world.versions('note', 'h')).toEqual({ cl: 1, versions: null });
  });

  test('deletes of cascades are versioned, and bring their rows’ updates down with them', async () => {
    const site = world.site();
    await site.send([
      ['team', 'c', team(null)],
      ['member', 'c1', inserted({ team: 'c' })],
      ['member', 'c2', inserted({ team: 'c' })],
    ]);
    await site.send(
      [['team', 'c', deadRow(2)]],
      [['member', 'c1', changed(inserted({ team: 'c' }), { team: null })]],
    );
    expect(await world.versions('member', 'c1')).toEqual({ cl: 2, versions: null });
    expect(await world.versions('member', 'c2')).toEqual({ cl: 2, versions: null });
    expect(await world.rows("SELECT FROM member WHERE id LIKE 'c%'")).toEqual([]);
  });
});
