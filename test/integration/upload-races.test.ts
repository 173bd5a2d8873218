import { randomInt } from 'node:crypto';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { SeededRandom } from '../../src/bench/random.ts';
import { type Cell, cellFromText } from '../../src/core/value.ts';
import { deleteChange, insertChange, updateChange } from '../../src/merge/local-change.ts';
import {
  type ColumnState,
  deadRow,
  isAlive,
  merge,
  type RowState,
  UNKNOWN_ROW,
} from '../../src/merge/row-state.ts';
import { PgSession } from '../../src/postgres/session.ts';
import { Uploads } from '../../src/postgres/upload/uploads.ts';
import { until } from '../support/stack.ts';
import { type Change, type Site, UploadWorld, values } from '../support/upload-world.ts';
import { shown } from '../unit/merge/support.ts';

let world: UploadWorld;

beforeAll(async () => {
  world = await UploadWorld.open();
});

afterAll(() => world.close());

const COLUMNS = ['title', 'body', 'n'] as const;
const KEYS = ['k0', 'k1', 'k2', 'k3', 'k4', 'k5'];

/** A row and what the companion says of it, in one look. */
const STATE_SQL = `SELECT n.id IS NOT NULL AS exists, n.title, n.body, n.n::text AS n, v.tidelock_cl::int AS cl, v.tidelock_versions AS versions
  FROM (SELECT $1::text AS id) k LEFT JOIN note n ON n.id = k.id LEFT JOIN tidelock.versions_public_note v ON v.id = k.id`;

type StateRow = {
  readonly exists: boolean;
  readonly cl: number | null;
  readonly versions: readonly number[] | null;
} & Readonly<Record<(typeof COLUMNS)[number], string | null>>;

async function stateOf(client: pg.Client, key: string): Promise<RowState> {
  const { rows } = await client.query<StateRow>(STATE_SQL, [key]);
  const [row] = rows;
  if (row === undefined) throw new Error('the look has one row');
  const cl = row.cl ?? (row.exists ? 1 : 0);
  expect([key, cl % 2 === 1]).toEqual([key, row.exists]);
  if (!row.exists) return deadRow(cl);
  const columns = COLUMNS.map((name, place): readonly [string, ColumnState] => {
    const text = row[name];
    const value = text === null ? null : cellFromText(name === 'n' ? 'int' : 'text', text);
    return [name, { version: row.versions?.[place] ?? 1, value }];
  });
  return { cl, columns: new Map(columns) };
}

type History = Map<string, RowState[]>;

function note(history: History, key: string, change: RowState): void {
  history.set(key, [...(history.get(key) ?? []), change]);
}

function randomValues(random: SeededRandom): ReadonlyMap<string, Cell> {
  return values({
    title: random.pick(['a', 'b', 'c', null]),
    body: random.pick(['x', 'é', '\u{10000}', '']),
    n: random.pick([null, -1, 0, 1, 7]),
  });
}

function randomChange(random: SeededRandom, state: RowState): RowState | null {
  if (!isAlive(state)) return insertChange(state, randomValues(random));
  const kind = random.between(0, 9);
  if (kind === 0) return insertChange(state, randomValues(random));
  if (kind < 3) return deleteChange(state);
  const written = [...randomValues(random)].filter(() => random.next() < 0.5);
  return updateChange(state, new Map(written));
}

/** A file that writes offline, uploads, and now and then takes over what Postgres has. */
async function writeAtSite(site: Site, random: SeededRandom, history: History): Promise<void> {
  const client = new pg.Client(world.url);
  await client.connect();
  const states = new Map<string, RowState>();
  for (let round = 0; round < 12; round += 1) {
    if (random.next() < 0.4) {
      for (const key of KEYS) states.set(key, await stateOf(client, key));
    }
    const transactions = Array.from({ length: random.between(1, 4) }, () => {
      const changes: Change[] = [];
      for (let index = random.between(1, 4); index > 0; index -= 1) {
        const key = random.pick(KEYS);
        const state = states.get(key) ?? UNKNOWN_ROW;
        const change = randomChange(random, state);
        if (change === null) continue;
        states.set(key, merge(state, change));
        note(history, key, change);
        changes.push(['note', key, change]);
      }
      return changes;
    });
    const { rejected } = await site.send(...transactions);
    expect(rejected).toEqual([]);
  }
  await client.end();
}

/** What came of one statement: nobody else can have written the row before the commit. Null: nothing, or a deadlock. */
async function writeOnce(
  client: pg.Client,
  key: string,
  { sql, params }: { readonly sql: string; readonly params: readonly unknown[] },
): Promise<RowState | null> {
  try {
    await client.query('BEGIN');
    await client.query('SELECT FROM note WHERE id = $1 FOR UPDATE', [key]);
    const { rowCount } = await client.query(sql, [...params]);
    const state = rowCount === 1 ? await stateOf(client, key) : null;
    await client.query('COMMIT');
    return state;
  } catch (error) {
    // Two uploads that wait for one another may take with them who queues for the same row.
    await client.query('ROLLBACK');
    if ((error as { code?: string }).code !== '40P01') throw error;
    return null;
  }
}

/** An application that knows nothing of two-way tables. What it did is read from the triggers, under its row lock. */
async function writeAsApplication(random: SeededRandom, history: History): Promise<void> {
  const client = new pg.Client(world.url);
  await client.connect();
  for (let round = 0; round < 60; round += 1) {
    const key = random.pick(KEYS);
    const { title, body, n } = Object.fromEntries(randomValues(random));
    const [sql, params] = random.pick([
      ['INSERT INTO note VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING', [key, title, body, n]],
      ['UPDATE note SET title = $2, n = $3 WHERE id = $1', [key, title, n]],
      ['UPDATE note SET body = $2 WHERE id = $1', [key, body]],
      ['DELETE FROM note WHERE id = $1', [key]],
    ] as const);
    const state = await writeOnce(client, key, { sql, params });
    if (state !== null) note(history, key, state);
  }
  await client.end();
}

describe('many writers of the same rows', () => {
  test('P12: sites and applications that write the same keys at once end with the merge of everything', async () => {
    const seed = randomInt(2 ** 31);
    const history: History = new Map();
    await Promise.all([
      ...[1, 2, 3, 4].map((index) =>
        writeAtSite(world.site(), new SeededRandom(seed + index), history),
      ),
      ...[5, 6].map((index) => writeAsApplication(new SeededRandom(seed + index), history)),
    ]);
    for (const key of KEYS) {
      const merged = (history.get(key) ?? []).reduce(merge, UNKNOWN_ROW);
      const present = await stateOf(world.sql, key);
      expect(shown(present), `seed ${seed}, key ${key}`).toEqual(shown(merged));
    }
  });

  test('a key that is taken while the upload waits for it is merged, not refused', async () => {
    const other = new pg.Client(world.url);
    await other.connect();
    await other.query("BEGIN; INSERT INTO note VALUES ('race', 'b', 'other', 1)");
    const sent = world
      .site()
      .send([
        ['note', 'race', insertChange(UNKNOWN_ROW, values({ title: 'c', body: 'mine', n: 2 }))],
      ]);
    await untilBlocked();
    await other.query('COMMIT');
    await other.end();
    expect((await sent).rejected).toEqual([]);
    const rows = await world.rows("SELECT title, body, n FROM note WHERE id = 'race'");
    expect(rows).toEqual([{ title: 'c', body: 'other', n: 2 }]);
  });

  test('an upload that is the victim of a deadlock is tried again', async () => {
    await world.sql.query("INSERT INTO note VALUES ('dead-1', 'a'), ('dead-2', 'a')");
    const base = insertChange(UNKNOWN_ROW, values({ title: 'a', body: null, n: null }));
    const edit = updateChange(base, values({ n: 5 })) ?? base;
    const other = new pg.Client(world.url);
    await other.connect();
    // Whoever looks first is the victim: the upload, after a second.
    await other.query(
      "SET deadlock_timeout = '1h'; BEGIN; UPDATE note SET n = 1 WHERE id = 'dead-2'",
    );
    const first = world.site().send([['note', 'dead-1', edit]], [['note', 'dead-2', edit]]);
    await untilBlocked();
    await other.query("UPDATE note SET n = 1 WHERE id = 'dead-1'; COMMIT");
    await other.end();
    expect((await first).rejected).toEqual([]);
    expect(await world.rows("SELECT n FROM note WHERE id LIKE 'dead-%'")).toEqual([
      { n: 5 },
      { n: 5 },
    ]);
  });
});

async function untilBlocked(): Promise<void> {
  await until('the upload waits for a lock', async () => {
    const query =
      "SELECT FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'tidelock' AND wait_event_type = 'Lock'";
    return (await world.rows(query)).length > 0;
  });
}

describe('the cost of an upload', () => {
  test('in statements does not grow with its rows', async () => {
    const counts = new Map<string, number>();
    for (const rows of [3, 300]) {
      const counted = { statements: 0 };
      const uploads = new Uploads(world.url, { connect: () => countingSession(counted) });
      const site = world.site();
      const ids = Array.from({ length: rows }, (_, index) => `cost-${rows}-${index}`);
      const base = insertChange(UNKNOWN_ROW, values({ title: 'a', body: null, n: 1 }));
      const edit = updateChange(base, values({ title: 'b' })) ?? base;
      for (const [kind, change] of [
        ['insert', base],
        ['update', edit],
        ['delete', deadRow(2)],
      ] as const) {
        const upload = site.upload(...ids.map((id): Change[] => [['note', id, change]]));
        counted.statements = 0;
        const { applied } = await uploads.apply(upload, site.writer);
        expect(applied).toBe(rows);
        const before = counts.get(kind);
        if (before !== undefined) expect([kind, counted.statements]).toEqual([kind, before]);
        // The first one of a connection asks for its search path.
        if (kind !== 'insert') counts.set(kind, counted.statements);
      }
      await uploads.close();
    }
    expect(Math.max(...counts.values())).toBeLessThan(20);
  });
});

async function countingSession(counted: { statements: number }): Promise<PgSession> {
  const session = await PgSession.connect({ url: world.url, settings: { search_path: null } });
  for (const name of ['query', 'count'] as const) {
    const run = session[name].bind(session) as (...args: unknown[]) => unknown;
    Object.defineProperty(session, name, {
      value: (...args: unknown[]) => {
        counted.statements += 1;
        return run(...args);
      },
    });
  }
  return session;
}
