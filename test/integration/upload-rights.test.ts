import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Upload } from '../../src/core/upload.ts';
import { deadRow, type RowState } from '../../src/merge/row-state.ts';
import { type Change, changed, codes, inserted, UploadWorld } from '../support/upload-world.ts';

let world: UploadWorld;

beforeAll(async () => {
  world = await UploadWorld.open();
});

afterAll(() => world.close());

const NOTE = { title: 'a', body: null, n: 1 };

describe('who may write what', () => {
  test('P16: no table of a token’s selectors takes a row from beyond them, or gives one away', async () => {
    await world.sql.query(
      "INSERT INTO place VALUES ('de', 'DE', 'x'), ('fr', 'FR', 'x'), ('fr2', 'FR', 'x')",
    );
    const base = (country: string): RowState => inserted({ country, name: 'x' });
    const sent = await world
      .site('bob', new Set(['FR']))
      .send(
        [['place', 'new-fr', base('FR')]],
        [['place', 'new-de', base('DE')]],
        [['place', 'de', changed(base('DE'), { name: 'mine' })]],
        [['place', 'de', changed(base('DE'), { country: 'FR' })]],
        [['place', 'de', deadRow(2)]],
        [['place', 'fr', changed(base('FR'), { country: 'DE' })]],
        [['place', 'fr', changed(base('FR'), { name: 'mine' })]],
        [['place', 'fr2', deadRow(2)]],
        [['place', 'de', base('FR')]],
      );
    expect(codes(sent.rejected)).toEqual([
      '2 FORBIDDEN_SELECTOR',
      '3 FORBIDDEN_SELECTOR',
      '4 FORBIDDEN_SELECTOR',
      '5 FORBIDDEN_SELECTOR',
      '6 FORBIDDEN_SELECTOR',
      '9 KEY_TAKEN',
    ]);
    const rows = await world.rows('SELECT id, country, name FROM place ORDER BY id');
    expect(rows).toEqual([
      { id: 'de', country: 'DE', name: 'x' },
      { id: 'fr', country: 'FR', name: 'mine' },
      { id: 'new-fr', country: 'FR', name: 'x' },
    ]);
  });

  test('P15: no refusal tells the version of a row that the writer does not see', async () => {
    await world.sql.query("INSERT INTO place VALUES ('hidden', 'DE', 'x', 5)");
    await world.sql.query("UPDATE place SET name = 'xx', size = 6 WHERE id = 'hidden'");
    const column = (name: string, version: number, value: string): Change => [
      ...(['place', 'hidden'] as const),
      { cl: 1, columns: new Map([[name, { version, value }]]) },
    ];
    const sent = await world
      .site('bob', new Set(['FR']))
      .send(
        [column('size', 2, 'no number')],
        [column('size', 3, 'no number')],
        [column('name', 1_000_002, 'y')],
        [column('name', 1_000_003, 'y')],
        [['place', 'hidden', deadRow(1_000_002)]],
      );
    const refusals = sent.rejected.map(({ code, message }) => `${code} ${message}`);
    expect(refusals).toEqual(Array(5).fill('FORBIDDEN_SELECTOR the token does not cover this row'));
  });

  test('P16: row-level security decides about insert, update, delete and moves, and a transaction falls whole', async () => {
    await world.sql.query(
      "INSERT INTO doc VALUES ('bobs', 'bob', 'b'), ('anns', 'ann', 'a'), ('anns2', 'ann', 'a'), ('gone', 'bob', 'b'); DELETE FROM doc WHERE id = 'gone'",
    );
    const base = (owner: string, title = 'a'): RowState => inserted({ owner, title });
    const sent = await world.site().send(
      [['doc', 'new', base('ann')]],
      [
        ['doc', 'new2', base('ann')],
        ['doc', 'forged', base('bob')],
      ],
      [['doc', 'bobs', changed(base('bob', 'b'), { title: 'mine' })]],
      [['doc', 'bobs', changed(base('bob', 'b'), { owner: 'ann' })]],
      [['doc', 'anns', changed(base('ann'), { owner: 'bob' })]],
      [['doc', 'bobs', deadRow(2)]],
      [
        ['doc', 'anns', changed(base('ann'), { title: 'mine' })],
        ['doc', 'anns2', deadRow(2)],
      ],
      [['doc', 'bobs', base('ann')]],
      [['doc', 'gone', base('ann')]],
      [
        ['note', 'with-doc', inserted(NOTE)],
        ['doc', 'forged2', base('bob')],
      ],
    );
    expect(codes(sent.rejected)).toEqual([
      '2 DENIED',
      '3 DENIED',
      '4 DENIED',
      '5 DENIED',
      '6 DENIED',
      '8 KEY_TAKEN',
      '9 KEY_TAKEN',
      '10 DENIED',
    ]);
    expect(await world.rows('SELECT id, owner, title FROM doc ORDER BY id')).toEqual([
      { id: 'anns', owner: 'ann', title: 'mine' },
      { id: 'bobs', owner: 'bob', title: 'b' },
      { id: 'new', owner: 'ann', title: 'a' },
    ]);
    expect(await world.rows("SELECT FROM note WHERE id = 'with-doc'")).toEqual([]);
    for (const { message } of sent.rejected) expect(message).not.toContain('bob');
  });
});

test('a row that a trigger skips is refused, and the message names both causes', async () => {
  await world.sql.query(`CREATE FUNCTION skip() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
    CREATE TRIGGER skip BEFORE INSERT ON team FOR EACH ROW EXECUTE FUNCTION skip()`);
  const sent = await world.site().send([['team', 'skipped', inserted({ email: 'e', size: 1 })]]);
  await world.sql.query('DROP TRIGGER skip ON team');
  expect(codes(sent.rejected)).toEqual(['1 DENIED']);
  expect(sent.rejected[0]?.message).toMatch(/^insert of public\.team left out a row: .* trigger/);
});

describe('policies that change', () => {
  const base = (owner: string, title: string): RowState => inserted({ owner, title });

  test('count from their change, as soon as the companion can tell who sees a deleted row', async () => {
    await world.sql.query(
      "INSERT INTO doc VALUES ('shared', 'bob', 'shared'), ('secret', 'bob', 'secret')",
    );
    await world.sql.query(`DROP POLICY see ON doc; DROP POLICY change ON doc;
      CREATE POLICY see ON doc FOR SELECT USING (owner = tidelock.auth_userid() OR title IN ('shared', 'open'));
      CREATE POLICY change ON doc FOR UPDATE USING (title IN ('shared', 'open'))`);
    const upload = world
      .site()
      .upload(
        [['doc', 'shared', changed(base('bob', 'shared'), { title: 'open' })]],
        [['doc', 'secret', changed(base('bob', 'secret'), { title: 'open' })]],
      );
    const { writer } = world.site();
    await expect(world.uploads.apply(upload, writer)).rejects.toThrow('is changing');
    await world.mend('doc');
    const sent = await world.uploads.apply(upload, writer);
    expect(codes(sent.rejected)).toEqual(['2 DENIED']);
    const rows = await world.rows(
      "SELECT id, title FROM doc WHERE owner = 'bob' AND id LIKE 's%' ORDER BY id",
    );
    expect(rows).toEqual([
      { id: 'secret', title: 'secret' },
      { id: 'shared', title: 'open' },
    ]);
  });

  test('hold writes while they give no rule: the reason is told, what came before lands, and nothing is refused', async () => {
    const asLarge = ({ head, transactions }: Upload): Upload => ({
      head,
      transactions: transactions.map(({ changes, ...rest }) => {
        const tables = changes.map(([, name]) => name);
        return { ...rest, changes: [], large: { tables, pieces: () => [changes] } };
      }),
    });
    const refused = async (upload: Upload, reason: string): Promise<void> => {
      const error = await site.apply(upload).catch((caught: unknown) => caught);
      expect(error).toMatchObject({ code: 'TABLE_HELD', message: expect.stringContaining(reason) });
    };
    const site = world.site();
    const upload = site.upload(
      [['note', 'before', inserted(NOTE)]],
      [['doc', 'odd', base('ann', 'x')]],
      [['note', 'behind', inserted(NOTE)]],
      [['place', 'odd', inserted({ country: 'FR', name: 'x' })]],
    );
    await world.sql.query("CREATE POLICY odd ON doc FOR SELECT USING (title LIKE 'x')");
    await world.sql.query('ALTER TABLE place ENABLE ROW LEVEL SECURITY');
    expect(await site.apply(upload)).toMatchObject({ accepted: 1, rejected: [] });
    await refused(upload, 'policy odd: the operator ~~');
    const large = world.site();
    await refused(asLarge(large.upload([['doc', 'large', base('ann', 'x')]])), 'policy odd');
    await world.sql.query('DROP POLICY odd ON doc');
    expect(await site.apply(upload)).toMatchObject({ accepted: 3, rejected: [] });
    await refused(upload, 'row-level security was switched on');
    await world.sql.query('ALTER TABLE place DISABLE ROW LEVEL SECURITY');
    expect(await site.apply(upload)).toMatchObject({ accepted: 4 });
    expect(await world.rows("SELECT id FROM doc WHERE id = 'odd'")).toHaveLength(1);
  });
});

describe('the operator’s part', () => {
  test('writes of other triggers are kept and versioned, and their names are looked up as in their sessions', async () => {
    await world.sql.query(`CREATE TABLE stamped (id text PRIMARY KEY, title text, stamp text);
      CREATE TABLE audit (id text); GRANT INSERT ON audit TO tidelock_user;
      CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN INSERT INTO audit VALUES (NEW.id); NEW.stamp := current_user || ' for ' || tidelock.auth_userid(); RETURN NEW; END $$;
      CREATE TRIGGER stamp BEFORE UPDATE ON stamped FOR EACH ROW EXECUTE FUNCTION stamp();
      INSERT INTO stamped VALUES ('s', 'a')`);
    await world.mend('stamped');
    const first = inserted({ title: 'a', stamp: null });
    const edit = changed(
      { ...first, columns: new Map([['title', { version: 4, value: 'x' }]]) },
      { title: 'b' },
    );
    const sent = await world.site().send([['stamped', 's', edit]]);
    expect(sent.rejected).toEqual([]);
    const stamp = 'tidelock_user for ann';
    expect(await world.rows('SELECT * FROM stamped')).toEqual([{ id: 's', title: 'b', stamp }]);
    expect(await world.versions('stamped', 's')).toEqual({ cl: 1, versions: [5, 2] });
    expect(await world.rows('SELECT * FROM audit')).toEqual([{ id: 's' }]);
  });

  test('a role that is gone is no fault of the writer, who may try again', async () => {
    const site = world.site();
    const upload = site.upload([['note', 'role', inserted(NOTE)]]);
    const note = "WHERE name = 'public.note'";
    await world.sql.query(`UPDATE tidelock.twoway_tables SET role = 'gone' ${note}`);
    await expect(site.apply(upload)).rejects.toThrow('writes cannot be done as role gone');
    await world.sql.query(`UPDATE tidelock.twoway_tables SET role = 'tidelock_user' ${note}`);
    expect(await site.apply(upload)).toMatchObject({ accepted: 1, rejected: [] });
  });
});
