/** SQL over live tables: sources fed by the engine's log, views that replicas subscribe to. One stack for the file. */
import { rmSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { checkViews } from '../../src/cli/replicate-views.ts';
import { openReplica, type Replica } from '../../src/index.ts';
import { SqlBed } from '../support/sql-bed.ts';
import { Stack, until } from '../support/stack.ts';

const SCHEMA = `
  CREATE TABLE account (id int PRIMARY KEY, country text, balance numeric(12,2) NOT NULL, note text);
  ALTER TABLE account REPLICA IDENTITY FULL;
  ALTER TABLE account ALTER note SET STORAGE EXTERNAL;
  CREATE TABLE country (code text PRIMARY KEY, name text, since timestamptz);
  INSERT INTO account SELECT g, (ARRAY['FR', 'DE', 'IT'])[1 + g % 3], 100, repeat('x', g) FROM generate_series(1, 60) g;
  INSERT INTO country VALUES ('FR', 'France', '0843-08-10 BC'), ('DE', 'Germany', '2000-01-01 00:00:00.5+02'), ('IT', NULL, NULL);
`;

const VIEW = `SELECT c.name, count(*) AS n, sum(a.balance) AS total
  FROM account a JOIN country c ON c.code = a.country GROUP BY c.name`;
const ORDERED = ' ORDER BY 1, 2, 3';

let stack: Stack;
let bed: SqlBed;

beforeAll(async () => {
  stack = await Stack.open({
    postgresUrl: inject('postgresUrl'),
    schema: SCHEMA,
    tables: { 'public.account': 'country', 'public.country': '*' },
    engine: { onAppended: () => bed?.wake() },
  });
  bed = new SqlBed(stack);
  await bed.open();
  await bed.rows('CREATE SOURCE account FROM POSTGRES TABLE public.account');
  await bed.rows('CREATE SOURCE country FROM POSTGRES TABLE public.country');
  await bed.rows(`CREATE MATERIALIZED VIEW totals AS ${VIEW}`);
});

afterAll(async () => {
  expect(bed.bugs).toEqual([]);
  await bed.close();
  await stack.close();
});

/** At the position where Postgres stands now, SQL has what Postgres has. */
async function expectSame(): Promise<void> {
  const at = await bed.now();
  for (const [ours, theirs] of [
    ['SELECT * FROM account', 'SELECT * FROM account WHERE country IS NOT NULL'],
    ['SELECT * FROM country', 'SELECT * FROM country'],
    ['SELECT * FROM totals', VIEW],
  ]) {
    const rows = await bed.rows(`SELECT * FROM (${ours}) q${ORDERED} AS OF ${at}`);
    expect(rows).toEqual(await bed.inPostgres(`SELECT * FROM (${theirs}) q${ORDERED}`));
  }
}

const CHANGES = [
  'UPDATE account SET balance = balance + 1 WHERE id % 7 = 0',
  `UPDATE account SET country = 'DE' WHERE id = 3`,
  'UPDATE account SET id = 1003 WHERE id = 5',
  'UPDATE account SET country = NULL WHERE id IN (8, 9)',
  `UPDATE account SET country = 'FR' WHERE id = 8`,
  'DELETE FROM account WHERE id BETWEEN 20 AND 25',
  `INSERT INTO account VALUES (70, 'FR', 5.50, repeat('long', 20000)), (71, 'XX', 1, NULL)`,
  'UPDATE account SET balance = 6 WHERE id = 70',
  `BEGIN; DELETE FROM country WHERE code = 'IT'; INSERT INTO country VALUES ('IT', 'Italia', 'infinity'); COMMIT`,
  `BEGIN; UPDATE account SET id = -id; UPDATE account SET id = -id; DELETE FROM account WHERE id = 70;
   INSERT INTO account VALUES (70, 'DE', 7, 'again'); COMMIT`,
  `BEGIN; SAVEPOINT a; DELETE FROM account; ROLLBACK TO a; UPDATE account SET balance = 1 WHERE id = 2; COMMIT`,
  `BEGIN; TRUNCATE account; INSERT INTO account VALUES (1, 'FR', 1, ''), (2, 'IT', 2, NULL); COMMIT`,
  `INSERT INTO account SELECT g, 'FR', g, repeat('y', 3000) FROM generate_series(1000, 2500) g`,
  'DELETE FROM account WHERE id >= 1000',
  `INSERT INTO account SELECT g, (ARRAY['FR', 'DE', 'IT'])[1 + g % 3], 100, 'z' FROM generate_series(100, 160) g`,
];

test('P1, P17, P23: at every position the sources and their view have what Postgres has there', async () => {
  await expectSame();
  for (const change of CHANGES) {
    await stack.sql.query(change);
    await expectSame();
  }
});

test('P5: a reader never sees a part of a transaction, or one table ahead of another', async () => {
  const seen = `SELECT (SELECT sum(balance) FROM account WHERE id BETWEEN 100 AND 160),
    (SELECT note FROM account WHERE id = 100), (SELECT name FROM country WHERE code = 'FR')`;
  const [total] = (await bed.rows(seen))[0] ?? [];
  let isOver = false;
  const writing = (async () => {
    for (let round = 0; round < 40; round += 1) {
      const from = 100 + (round % 30);
      await stack.sql.query(`BEGIN; UPDATE account SET balance = balance - 5 WHERE id = ${from};
        UPDATE country SET name = 'round ${round}' WHERE code = 'FR';
        UPDATE account SET balance = balance + 5 WHERE id = ${from + 30};
        UPDATE account SET note = 'round ${round}' WHERE id = 100; COMMIT`);
    }
    isOver = true;
  })();
  const rounds = new Set<unknown>();
  while (!isOver) {
    const [sum, note, name] = (await bed.rows(seen))[0] ?? [];
    expect(sum).toBe(total);
    if (String(note).startsWith('round')) expect(note).toBe(name);
    rounds.add(note);
  }
  await writing;
  expect(rounds.size).toBeGreaterThan(3);
  await expectSame();
});

async function replicaOf(name: string, url: string): Promise<Replica> {
  const file = stack.file(name);
  return await openReplica({ server: `${url}/views`, selectors: ['view:totals'], file });
}

function rowsIn(name: string): readonly unknown[] {
  const db = new DatabaseSync(stack.file(name), { readOnly: true });
  try {
    return db
      .prepare('SELECT name, n, total FROM totals ORDER BY 1, 2, 3')
      .all()
      .map((row) => Object.values(row).map((value) => (value === null ? null : String(value))));
  } finally {
    db.close();
  }
}

test('a replica holds a view, row by row, at the positions of its tables', async () => {
  const replica = await replicaOf('views', bed.url);
  try {
    for (const change of [
      'UPDATE account SET balance = balance * 2 WHERE id < 110',
      `DELETE FROM country WHERE code = 'DE'`,
      `INSERT INTO country VALUES ('DE', 'Deutschland', NULL), ('XX', NULL, NULL)`,
    ]) {
      await stack.sql.query(change);
      const at = await bed.now();
      await replica.waitFor(
        (await stack.sql.query('SELECT pg_current_wal_insert_lsn() AS lsn')).rows[0]?.lsn,
      );
      expect(at).toBeGreaterThan(0);
      expect(rowsIn('views')).toEqual(
        await bed.inPostgres(`SELECT * FROM (${VIEW}) q ORDER BY 1 NULLS FIRST, 2, 3`),
      );
    }
  } finally {
    await replica.close();
  }
});

test('a view that is made while nothing happens reaches its replicas, and one that is dropped leaves them', async () => {
  const file = stack.file('fresh');
  const server = `${bed.url}/views`;
  const replica = await openReplica({ server, selectors: ['view:fresh'], file });
  const tables = (): readonly unknown[] => {
    const db = new DatabaseSync(file, { readOnly: true });
    const found = db.prepare(`SELECT name FROM sqlite_schema WHERE name = 'fresh'`).all();
    db.close();
    return found;
  };
  try {
    await bed.rows('CREATE MATERIALIZED VIEW fresh AS SELECT code FROM country');
    await until('the view is there', () => tables().length === 1);
    await bed.rows('DROP VIEW fresh');
    await until('the view is gone', () => tables().length === 0);
  } finally {
    await replica.close();
  }
});

test('a name that is no view of the server is refused, with those that there are', async () => {
  const server = `${bed.url}/views`;
  await bed.rows('CREATE MATERIALIZED VIEW filed AS SELECT code AS _change_selector FROM country');
  const listed = async (): Promise<boolean> =>
    (await (await fetch(`${server}/v1/tables`)).text()).includes('filed');
  await until('the view is offered', listed);
  await expect(checkViews(server, ['nosuchview'], undefined)).rejects.toMatchObject({
    code: 'BAD_SELECTOR',
    hint: expect.stringMatching(/^there are: .*filed/),
  });
  await expect(checkViews(server, ['filed'], undefined)).rejects.toMatchObject({
    message: 'the view "filed" is filed by its column _change_selector',
  });
  await bed.rows('DROP VIEW filed');
  await checkViews('http://127.0.0.1:1/views', ['any'], undefined);
});

test('a file of views takes no tables, and stays as it is', async () => {
  const file = stack.file('kinds');
  const views = await openReplica({ server: `${bed.url}/views`, selectors: ['view:totals'], file });
  await views.waitFor(
    (await stack.sql.query('SELECT pg_current_wal_insert_lsn() AS lsn')).rows[0]?.lsn,
  );
  await views.close();
  const failures: unknown[] = [];
  const tables = await openReplica({
    ...{ server: bed.url, selectors: ['FR'], file },
    onEvent: (event) => {
      if (event.kind === 'state' && event.state.kind === 'failed')
        failures.push(event.state.trouble);
    },
  });
  await until('the other kind is refused', () => failures.length > 0);
  await tables.close();
  expect(failures[0]).toMatchObject({
    code: 'REPLICA_UNFIT',
    message: 'the file holds views, and this address offers tables',
  });
  const db = new DatabaseSync(file, { readOnly: true });
  expect(db.prepare('SELECT count(*) > 0 AS has FROM totals').get()).toEqual({ has: 1 });
  db.close();
});

test('after a restart everything goes on where it stood, and a replica of a view fetches what differs', async () => {
  await bed.close();
  await stack.sql.query(
    `UPDATE account SET balance = 77 WHERE id = 120; INSERT INTO account VALUES (200, 'IT', 3, 'new')`,
  );
  await stack.stop();
  await stack.sql.query('DELETE FROM account WHERE id = 121');
  await stack.start();
  await bed.open();
  expect(bed.notices).toEqual([]);
  await expectSame();
  expect((await bed.rows('SHOW VIEWS')).flat()).toEqual(['totals']);
  const replica = await replicaOf('views', bed.url);
  try {
    await stack.sql.query('UPDATE account SET balance = 78 WHERE id = 120');
    const { rows } = await stack.sql.query('SELECT pg_current_wal_insert_lsn() AS lsn');
    await until('the replica has caught up', () => replica.status.state.kind === 'live');
    await replica.waitFor(rows[0]?.lsn);
    expect(rowsIn('views')).toEqual(
      await bed.inPostgres(`SELECT * FROM (${VIEW}) q ORDER BY 1 NULLS FIRST, 2, 3`),
    );
  } finally {
    await replica.close();
  }
});

test('a source whose place the log has left is loaded anew by itself', async () => {
  await bed.close();
  await stack.stop();
  rmSync(`${stack.dir}/server/log`, { recursive: true });
  await stack.sql.query('DELETE FROM account WHERE id = 122');
  await stack.start();
  await bed.open();
  await until('the source is back', async () => {
    const rows = await bed.rows('SELECT count(*) FROM account WHERE id = 122');
    return rows[0]?.[0] === '0';
  });
  await expectSame();
});

test('P18: when positions went back everything is loaded anew, and nobody is told an old one', async () => {
  const client = await bed.connect();
  await bed.close();
  // What a restore of Postgres looks like from here: rows of a history that went further than this one.
  const db = new DatabaseSync(`${stack.dir}/server/sql/collections.db`);
  db.exec(`UPDATE tidelock_collections SET upper = 1 << 50, since = 1 << 50, "changedAt" = 1 << 50;
    UPDATE tidelock_notes SET text = replace(text, '"timeline":"', '"timeline":"9')`);
  db.close();
  await client.end().catch(() => undefined);
  await bed.open();
  await until('everything is loaded', async () => {
    const rows = await bed.rows('SELECT count(*) FROM totals').catch(() => []);
    return Number(rows[0]?.[0]) > 0;
  });
  await expectSame();
});

test('a source whose table lost a column fails whoever reads it, and others go on', async () => {
  await stack.sql.query('CREATE TABLE extra (id int PRIMARY KEY, a text, b text)');
  await stack.sql.query('ALTER TABLE country ADD COLUMN area int DEFAULT 5');
  await stack.sql.query(`UPDATE country SET area = 6, name = 'Frankreich' WHERE code = 'FR'`);
  const at = await bed.now();
  expect(await bed.rows(`SELECT code, name FROM country WHERE code = 'FR' AS OF ${at}`)).toEqual([
    ['FR', 'Frankreich'],
  ]);
  await stack.sql.query('ALTER TABLE country DROP COLUMN since');
  await until('the source has failed', async () => {
    const failure = await bed.rows('SELECT * FROM country').catch((error: unknown) => error);
    return String(failure).includes('drop the source');
  });
  expect(await bed.rows(`SELECT count(*) FROM account AS OF ${await bed.now()}`)).toEqual(
    await bed.inPostgres('SELECT count(*) FROM account WHERE country IS NOT NULL'),
  );
});

test('a table that is dropped and made anew is noticed before it is read', async () => {
  await bed.rows('CREATE SOURCE reborn FROM POSTGRES TABLE public.country');
  await stack.sql.query('DROP TABLE country; CREATE TABLE country (code text PRIMARY KEY)');
  await stack.sql.query(`INSERT INTO country VALUES ('XX')`);
  const read = bed.rows(`SELECT code FROM reborn AS OF ${await bed.now()}`);
  await expect(read).rejects.toThrow('drop the source, and make it anew');
  await bed.rows('CREATE SOURCE anew FROM POSTGRES TABLE public.country');
  expect(await bed.rows('SELECT * FROM anew')).toEqual([['XX']]);
});
