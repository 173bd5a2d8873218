/** `tidelock replicate` as its user meets it: a process, a file, a server that comes and goes. */
import { existsSync, readdirSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { describe, expect, onTestFinished, test } from 'vitest';
import { SeededRandom } from '../../src/bench/random.ts';
import { openReplicaWith } from '../../src/replica.ts';
import { NO_TOKENS } from '../../src/server/config.ts';
import { ACCOUNTS, cities, expectEqual, SUM, transfer } from '../support/cities.ts';
import { Command } from '../support/command.ts';
import { FaultyProxy } from '../support/faulty-proxy.ts';
import { type Stack, until } from '../support/stack.ts';

const SEED = 31;

function replicate(stack: Stack, more: readonly string[] = [], server = stack.server): Command {
  const file = stack.file('r');
  return new Command([
    ...['replicate', '--server', server, '--selector', 'FR', '--db', file, '--json'],
    ...more,
  ]);
}

/** The file's position as SQL shows it to anybody. */
function positionIn(file: string): string {
  const db = new DatabaseSync(file, { readOnly: true });
  const row = db.prepare('SELECT position FROM tidelock_replica').get() as { position: string };
  db.close();
  return row.position;
}

function value(position: unknown): number {
  const [high = '', low = ''] = String(position).split('/');
  return Number.parseInt(high, 16) * 2 ** 32 + Number.parseInt(low, 16);
}

/** Waits until the file has everything that is committed now. */
async function settled(stack: Stack): Promise<void> {
  const wanted = value(await stack.position());
  await until('the file has it all', () => value(positionIn(stack.file('r'))) >= wanted);
}

/** Transfers without pause until told to stop; returns how many. */
function writing(stack: Stack): { stop: () => Promise<number> } {
  let isDone = false;
  const running = (async () => {
    let turn = 0;
    for (; !isDone; turn += 1) {
      await stack.sql.query(transfer(turn));
      if (turn % 7 === 0) {
        await stack.sql.query(
          `INSERT INTO city VALUES (${10_000 + turn}, 'n', 'FR', 1); DELETE FROM city WHERE id = ${10_000 + turn - 21}`,
        );
      }
    }
    return turn;
  })();
  return {
    stop: () => {
      isDone = true;
      return running;
    },
  };
}

describe('following', () => {
  test('shows the first copy, every transaction with its latency, and ends well at Ctrl-C', async () => {
    const stack = await cities();
    const run = replicate(stack);
    await run.line('the copy advances', ({ kind }) => kind === 'progress');
    await run.caughtUp();
    await stack.sql.query(`INSERT INTO city VALUES (1001, 'Nantes', 'FR', 1)`);
    const applied = await run.line('it is applied', ({ kind }) => kind === 'applied');
    expect(applied).toMatchObject({ changes: 1, transactions: 1, latencyMs: expect.any(Number) });
    expect(applied.latencyMs).toBeGreaterThan(0);
    await expectEqual(stack, stack.file('r'), ['FR']);
    expect(await run.kill('SIGINT')).toBe(0);
    const besides = readdirSync(stack.dir).filter((name) => /wal|shm|download/.test(name));
    expect(besides).toEqual([]);
    expect(run.lines.at(-1)).toMatchObject({ kind: 'done', position: positionIn(stack.file('r')) });
    expect(run.stderr).toBe('');
  });

  test('--once copies, or catches up, to the present end and stops', async () => {
    const stack = await cities();
    expect(await replicate(stack, ['--once']).exit()).toBe(0);
    await expectEqual(stack, stack.file('r'), ['FR']);
    await stack.sql.query(`DELETE FROM city WHERE id < 100`);
    const again = replicate(stack, ['--once']);
    expect(await again.exit()).toBe(0);
    await expectEqual(stack, stack.file('r'), ['FR']);
    expect(again.lines.map(({ kind }) => kind)).not.toContain('progress');
  });

  test('a second process on the same file is refused', async () => {
    const stack = await cities();
    await replicate(stack).caughtUp();
    const second = replicate(stack);
    expect(await second.exit()).toBe(1);
    expect(second.stderr).toMatch(/^error REPLICA_IN_USE: .*\n {2}what to do: /);
  });

  test('P27: waits for a server that is away, says so, and goes on', async () => {
    const stack = await cities();
    const run = replicate(stack);
    await run.caughtUp();
    await stack.stop();
    await run.line('it waits', ({ state }) => state === 'waiting');
    await stack.sql.query(`UPDATE city SET name = 'later' WHERE id < 50`);
    await stack.start();
    await settled(stack);
    await expectEqual(stack, stack.file('r'), ['FR']);
    const error = run.lines.find(({ kind }) => kind === 'error');
    expect(error).toMatchObject({ code: expect.stringMatching(/SERVER_UNREACHABLE|NOT_READY/) });
  });

  test('without --json it speaks to people, on stderr, and gives the result on stdout', async () => {
    const stack = await cities();
    const args = ['--server', stack.server, '--selector', 'FR', '--db', stack.file('r'), '--once'];
    const run = new Command(['replicate', ...args]);
    expect(await run.exit()).toBe(0);
    expect(run.stderr).toContain('making the first copy');
    expect(run.stderr).toContain('live');
    expect(run.stdout).toBe(`${stack.file('r')} stands at ${positionIn(stack.file('r'))}: FR\n`);
  });

  test('--once with a limit fails with the last trouble when nobody answers', async () => {
    const stack = await cities();
    const run = replicate(stack, ['--once', '--timeout', '1'], 'http://127.0.0.1:9');
    expect(await run.exit()).toBe(1);
    expect(run.stderr).toMatch(/^error TIMEOUT: .*SERVER_UNREACHABLE/);
    expect(existsSync(stack.file('r'))).toBe(false);
  });
});

describe('told in time', () => {
  test('--once fails at once when its token is not accepted: nobody is there to renew it', async () => {
    const tokens = { ...NO_TOKENS, secrets: ['a secret of more than thirty-two bytes'] };
    const stack = await cities({ server: { tokens } });
    const command = replicate(stack, ['--once', '--token', 'nonsense']);
    expect(await command.exit()).toBe(1);
    expect(command.stderr).toMatch(/^error TOKEN_INVALID: /m);
  });

  test('tables that are declared and do not come are named', async () => {
    const tables = { 'public.city': 'country', 'public.secret': 'country', 'public.gone': '*' };
    const schema = `CREATE TABLE city (id int PRIMARY KEY, country text);
      ALTER TABLE city REPLICA IDENTITY FULL; CREATE TABLE secret (country text)`;
    const stack = await cities({ schema, tables });
    const command = replicate(stack);
    const missing = (table: string): Promise<unknown> =>
      command.line(`${table} is named`, (line) => {
        return line.kind === 'warning' && String(line.message).includes(`table ${table} is unfit`);
      });
    await missing('public.secret');
    await missing('public.gone');
  });
});

describe(`under load, seed ${SEED}`, () => {
  test('P1-P5, P19: a replica that is killed again and again loses, doubles and splits nothing', async () => {
    const stack = await cities();
    const random = new SeededRandom(SEED);
    const load = writing(stack);
    let reader: ReturnType<typeof watchSum> | null = null;
    const positions: number[] = [];
    for (let kill = 0; kill < 7; kill += 1) {
      const run = replicate(stack);
      const count = random.between(1, 40);
      const applied = () => run.lines.filter(({ kind }) => kind === 'applied');
      // Some are killed in the middle of the first copy, or before they have followed anything.
      if (kill > 1) await until('it has applied some', () => applied().length >= count);
      else await until('it has started', () => run.stdout !== '');
      if (existsSync(stack.file('r'))) reader ??= watchSum(stack.file('r'));
      expect(await run.kill('SIGKILL')).toBe('SIGKILL');
      positions.push(...applied().map(({ ts }) => value(ts)));
    }
    const turns = await load.stop();
    expect(turns).toBeGreaterThan(100);
    expect(await replicate(stack, ['--once']).exit()).toBe(0);
    expect(await reader?.stop()).toBeGreaterThan(10);
    await expectEqual(stack, stack.file('r'), ['FR']);
    // P4, P8: what a process has applied, its successor does not apply again, unless the commit was lost with it.
    expect(positions).toEqual([...positions].sort((a, b) => a - b));
    const leftOver = readdirSync(stack.dir).filter((name) => name.includes('download'));
    expect(leftOver).toEqual([]);
  });

  test.each([
    ['F12: connections that are reset after some bytes', { cutAfterBytes: [1, 30_000] }, 15],
    ['F14: bytes that come in slivers', { sliceBytes: 7 }, 100],
    ['F13: connections that fall silent', { silentAfterBytes: [1000, 20_000] }, 2],
  ] as const)('P1, P4, P5, P27: %s', async (_name, faults, hits) => {
    const stack = await cities();
    const proxy = await FaultyProxy.start(stack.server, new SeededRandom(SEED));
    onTestFinished(() => proxy.close());
    const options = { server: proxy.url, selectors: ['FR'], file: stack.file('r') };
    const replica = await openReplicaWith(options, { heartbeatS: 1 });
    onTestFinished(() => replica.close());
    proxy.faults = faults;
    proxy.dropAll();
    const load = writing(stack);
    const reader = watchSum(stack.file('r'));
    await until('the fault was met', () => proxy.hits >= hits, 40_000);
    await load.stop();
    proxy.faults = {};
    await replica.waitFor(await stack.position(), { timeoutMs: 30_000 });
    await reader.stop();
    await expectEqual(stack, stack.file('r'), ['FR']);
  });
});

describe('re-synchronisation', () => {
  test('P25: a replica that the log no longer reaches gets the difference, and nothing else', async () => {
    const stack = await cities({ engine: { policy: { keepS: 0, leaseS: 1 } } });
    expect(await replicate(stack, ['--once']).exit()).toBe(0);
    await stack.sql.query(
      `UPDATE city SET people = -1 WHERE id = 3; DELETE FROM city WHERE id = 6`,
    );
    await until('the log is cut beyond the replica', async () => {
      await stack.sql.query(`INSERT INTO city VALUES (9999, 'x', 'DE', 1) ON CONFLICT DO NOTHING`);
      await stack.sql.query('DELETE FROM city WHERE id = 9999');
      return stack.engine.status().log.since > value(positionIn(stack.file('r')));
    });
    const run = replicate(stack, ['--once']);
    expect(await run.exit()).toBe(0);
    await expectEqual(stack, stack.file('r'), ['FR']);
    const resync = run.lines.find(({ kind }) => kind === 'resync');
    expect(resync).toMatchObject({ inserted: 0, updated: 1, deleted: 1 });
    expect(run.lines.map(({ kind }) => kind)).not.toContain('progress');
  });

  test('other selectors than before are fetched as a difference', async () => {
    const stack = await cities();
    expect(await replicate(stack, ['--once']).exit()).toBe(0);
    const both = replicate(stack, ['--selector', 'DE', '--once']);
    expect(await both.exit()).toBe(0);
    await expectEqual(stack, stack.file('r'), ['FR', 'DE']);
    expect(both.lines.find(({ kind }) => kind === 'resync')).toMatchObject({
      inserted: 100,
      deleted: 0,
    });
    const one = replicate(stack, ['--once']);
    expect(await one.exit()).toBe(0);
    await expectEqual(stack, stack.file('r'), ['FR']);
    expect(one.lines.find(({ kind }) => kind === 'resync')).toMatchObject({
      inserted: 0,
      deleted: 100,
    });
  });
});

describe('used wrongly it ends with 2 and says what is meant', () => {
  test.each([
    [['replicat'], '(Did you mean replicate?)'],
    [['replicate', '--selctor', 'FR'], '(Did you mean --selector?)'],
    [['replicate', '--server', 'http://127.0.0.1:9'], "required option '--selector <selector>'"],
    [['replicate', '--server', 'nowhere', '--selector', 'FR', '--db', 'r.db'], 'error BAD_REQUEST'],
    [
      ['replicate', '--server', 'http://h', '--selector', '*', '--db', 'r.db'],
      'error BAD_SELECTOR',
    ],
    [['verify', '--limit', 'many'], "option '--limit <rows>' argument 'many' is invalid"],
  ])('%j', async (args, message) => {
    const run = new Command(args);
    expect(await run.exit()).toBe(2);
    expect(run.stderr).toContain(message);
    expect(run.stdout).toBe('');
  });

  test('help and version go to stdout and are no failure', async () => {
    for (const args of [['--help'], ['replicate', '--help'], ['verify', '-h'], ['--version']]) {
      const run = new Command(args);
      expect(await run.exit()).toBe(0);
      expect(run.stdout).toMatch(
        args[0] === '--version' ? /^\d+\.\d+\.\d+\n$/ : /^Usage: tidelock/,
      );
    }
  });
});

/** P5, P8: another connection reads without pause; every state that it sees must have been one of Postgres. */
function watchSum(file: string): { stop: () => Promise<number> } {
  const db = new DatabaseSync(file, { readOnly: true });
  const sums = db.prepare('SELECT sum(balance) AS sum, count(*) AS count FROM account');
  const where = db.prepare('SELECT position FROM tidelock_replica');
  let reads = 0;
  let isDone = false;
  let last = 0;
  const running = until(
    'the writer is done',
    () => {
      db.exec('BEGIN');
      expect(sums.get()).toEqual({ sum: SUM, count: ACCOUNTS });
      const position = value((where.get() as { position: string }).position);
      db.exec('COMMIT');
      expect(position).toBeGreaterThanOrEqual(last);
      last = position;
      reads += 1;
      return isDone;
    },
    120_000,
  );
  return {
    stop: async () => {
      isDone = true;
      await running;
      db.close();
      return reads;
    },
  };
}
