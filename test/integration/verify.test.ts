/** `tidelock verify`: says equal only when it is so, and finds what is not, by key. */
import { writeFileSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { describe, expect, test } from 'vitest';
import { type VerifyReport, verifyReplica } from '../../src/verify.ts';
import { cities, transfer } from '../support/cities.ts';
import { Command } from '../support/command.ts';
import { type Stack, until } from '../support/stack.ts';

function verify(stack: Stack, limit = 20): Promise<VerifyReport> {
  const signal = AbortSignal.timeout(30_000);
  return verifyReplica({ server: stack.server, file: stack.file('r'), limit, signal });
}

/** Writes into the replica's file behind its back. */
function tamper(stack: Stack, sql: string): void {
  const db = new DatabaseSync(stack.file('r'));
  db.exec(sql);
  db.close();
}

/** A file that follows nobody any more. */
async function stopped(stack: Stack, selectors = ['FR']): Promise<void> {
  const replica = await stack.replica('r', selectors);
  await stack.settle(replica);
  await replica.close();
}

const PLANTED = `
  UPDATE city SET name = 'wrong', people = NULL WHERE id = 3;
  DELETE FROM city WHERE id = 6;
  INSERT INTO city VALUES (7777, 'extra', 'FR', 1);`;

describe('equal', () => {
  test('P11: a replica that stands still, newer transactions applied to a copy first', async () => {
    const stack = await cities();
    await stopped(stack, ['FR', 'DE']);
    for (let turn = 0; turn < 30; turn += 1) await stack.sql.query(transfer(turn));
    await stack.sql.query(`INSERT INTO city VALUES (5000, 'new', 'FR', 1)`);
    const report = await verify(stack);
    expect(report).toMatchObject({ isEqual: true, wrongDigests: [], differences: [], rows: [] });
    expect(report.newerTransactions).toBeGreaterThan(20);
    expect(report.tables).toContainEqual(
      expect.objectContaining({ table: 'public.city', selector: 'FR', rows: 101, isEqual: true }),
    );
    expect(report.tables).toHaveLength(5);
  });

  test('P11: a replica that is being written, under load', async () => {
    const stack = await cities();
    const replica = await stack.replica('r', ['FR']);
    let isDone = false;
    const load = (async () => {
      for (let turn = 0; !isDone; turn += 1) await stack.sql.query(transfer(turn));
    })();
    for (let round = 0; round < 4; round += 1) {
      const before = replica.position;
      expect(await verify(stack)).toMatchObject({ isEqual: true });
      await until('the replica goes on', () => replica.position !== before);
    }
    isDone = true;
    await load;
  });
});

describe('different', () => {
  test('a wrong, a missing and an extra row are found by key, and the wrong columns named', async () => {
    const stack = await cities();
    await stopped(stack);
    tamper(stack, PLANTED);
    await stack.sql.query(`UPDATE city SET people = 5 WHERE id = 9`);
    const report = await verify(stack);
    expect(report.isEqual).toBe(false);
    expect(report.rowCount).toBe(3);
    expect(report.rows).toEqual([
      { table: 'public.city', kind: 'missing', key: [6n], columns: [] },
      { table: 'public.city', kind: 'extra', key: [7777n], columns: [] },
      {
        ...{ table: 'public.city', kind: 'different', key: [3n] },
        columns: [
          { name: 'name', replica: 'wrong', reference: 'city 3' },
          { name: 'people', replica: null, reference: 3n },
        ],
      },
    ]);
    expect(report.wrongDigests).toMatchObject([{ table: 'public.city', selector: 'FR' }]);
  });

  test('at most so many rows are named; all are counted', async () => {
    const stack = await cities();
    await stopped(stack);
    tamper(stack, `UPDATE city SET people = 0; DELETE FROM kind`);
    const report = await verify(stack, 5);
    expect([report.rows.length, report.rowCount]).toEqual([5, 102]);
  });

  test('the smallest difference counts: 0.0 and -0.0', async () => {
    const stack = await cities();
    await stack.sql.query(
      `CREATE TABLE number (id int PRIMARY KEY, _change_selector text, f float8); ALTER TABLE number REPLICA IDENTITY FULL;
       INSERT INTO number VALUES (1, 'FR', 0), (2, 'FR', 1.5), (3, 'FR', 'NaN')`,
    );
    await stopped(stack);
    expect(await verify(stack)).toMatchObject({ isEqual: true });
    tamper(stack, `UPDATE number SET f = -0.0 WHERE id = 1`);
    const { rows } = await verify(stack);
    expect(rows).toMatchObject([{ kind: 'different', key: [1n], columns: [{ name: 'f' }] }]);
  });

  test('a stored digest that does not fit the rows is an error of its own', async () => {
    const stack = await cities();
    await stopped(stack);
    tamper(stack, `UPDATE tidelock_digests SET rows = rows + 1 WHERE table_name = 'public.kind'`);
    const report = await verify(stack);
    expect(report).toMatchObject({ isEqual: false, differences: [], rowCount: 0 });
    expect(report.wrongDigests).toMatchObject([{ table: 'public.kind', ours: { rows: 3 } }]);
  });

  test('--repair mends what verify found, and touches nothing else', async () => {
    const stack = await cities();
    await stopped(stack);
    tamper(
      stack,
      `${PLANTED} UPDATE tidelock_digests SET digest = 'ffffffffffffffffffffffffffffffff'`,
    );
    const args = ['--server', stack.server, '--db', stack.file('r')];
    const repair = ['replicate', ...args, '--selector', 'FR', '--once', '--repair', '--json'];
    const run = new Command(repair);
    expect(await run.exit()).toBe(0);
    const resync = run.lines.find(({ kind }) => kind === 'resync');
    expect(resync).toMatchObject({ inserted: 1, updated: 1, deleted: 1 });
    expect(await verify(stack)).toMatchObject({ isEqual: true });
  });
});

describe('as a command', () => {
  test('equal is exit code 0 with position, rows and digest per table', async () => {
    const stack = await cities();
    await stopped(stack);
    const run = new Command(['verify', '--server', stack.server, '--db', stack.file('r')]);
    expect(await run.exit()).toBe(0);
    expect(run.stdout).toMatch(
      /the replica stands at [0-9A-F]+\/[0-9A-F]+, compared with Postgres at /,
    );
    expect(run.stdout).toMatch(/public\.city\s+FR\s+100 rows {2}[0-9a-f]{32} {2}equal\n/);
    expect(run.stdout).toMatch(/EQUAL\n$/);
    expect(run.stderr).toBe('');
  });

  test('different is exit code 1 with the rows, for people and as JSON', async () => {
    const stack = await cities();
    await stopped(stack);
    tamper(stack, PLANTED);
    const args = ['verify', '--server', stack.server, '--db', stack.file('r')];
    const run = new Command(args);
    expect(await run.exit()).toBe(1);
    expect(run.stdout).toContain('missing    public.city (6)');
    expect(run.stdout).toContain('extra      public.city (7777)');
    expect(run.stdout).toContain(
      'different  public.city (3): name is "wrong", in Postgres "city 3"; people is NULL, in Postgres 3',
    );
    expect(run.stdout).toContain('something else wrote into it');
    expect(run.stdout).toContain('DIFFERENT');
    const json = new Command([...args, '--json', '--limit', '1']);
    expect(await json.exit()).toBe(1);
    expect(JSON.parse(json.stdout)).toMatchObject({
      isEqual: false,
      rowCount: 3,
      rows: [{ key: [6] }],
    });
  });

  test('what cannot be found out is exit code 1 with the reason, what is no replica 2', async () => {
    const stack = await cities();
    await stopped(stack);
    const file = ['--db', stack.file('r')];
    const unreachable = new Command(['verify', '--server', 'http://127.0.0.1:9', ...file]);
    expect(await unreachable.exit()).toBe(1);
    expect(unreachable.stderr).toMatch(/^error SERVER_UNREACHABLE: /);
    tamper(stack, `UPDATE tidelock_replica SET timeline = 'another-1'`);
    const foreign = new Command(['verify', '--server', stack.server, ...file]);
    expect(await foreign.exit()).toBe(1);
    expect(foreign.stderr).toMatch(/^error TIMELINE_CHANGED: .*another-1/);
    const nothing = new Command(['verify', '--server', stack.server, '--db', `${stack.dir}/no.db`]);
    expect(await nothing.exit()).toBe(2);
    expect(nothing.stderr).toMatch(/^error REPLICA_UNFIT: there is no file/);
    const letter = `${stack.dir}/letter.txt`;
    writeFileSync(letter, 'Dear Sir or Madam, '.repeat(100));
    const noReplica = new Command(['verify', '--server', stack.server, '--db', letter]);
    expect(await noReplica.exit()).toBe(2);
    expect(noReplica.stderr).toMatch(/^error REPLICA_UNFIT: /);
  });
});
