/** `openReplica` as a program uses it, on a real server: what it promises besides following. */
import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, expect, onTestFinished, test } from 'vitest';
import { openReplica, type Replica, type ReplicaEvent } from '../../src/index.ts';
import { systemClock } from '../../src/server/clock.ts';
import { NO_TOKENS } from '../../src/server/config.ts';
import { issueToken } from '../../src/server/tokens.ts';
import { cities, expectEqual } from '../support/cities.ts';
import { type Stack, until } from '../support/stack.ts';

async function open(
  stack: Stack,
  more: Partial<Parameters<typeof openReplica>[0]> = {},
): Promise<Replica> {
  const { server } = stack;
  const replica = await openReplica({
    ...{ server, selectors: ['FR'], file: stack.file('r') },
    ...more,
  });
  onTestFinished(() => replica.close());
  return replica;
}

describe('opening', () => {
  test('resolves when the file can be read, and at once when it exists, server or not', async () => {
    const stack = await cities();
    const first = await open(stack);
    const db = new DatabaseSync(stack.file('r'), { readOnly: true });
    expect(db.prepare('SELECT count(*) AS n FROM city').get()).toEqual({ n: 100 });
    db.close();
    await first.close();
    const second = await open(stack, { server: 'http://127.0.0.1:9' });
    expect(second.position).toBe(first.position);
    await until('it waits', () => second.status.state.kind === 'waiting');
    expect(second.status).toMatchObject({
      state: { trouble: { code: 'SERVER_UNREACHABLE' } },
      timeline: first.status.timeline,
    });
  });

  test('an abort gives up a first copy that cannot be had, and closes a replica that follows', async () => {
    const stack = await cities();
    const controller = new AbortController();
    const events: ReplicaEvent[] = [];
    const opening = open(stack, {
      server: 'http://127.0.0.1:9',
      signal: controller.signal,
      onEvent: (event) => events.push(event),
    });
    await until('it has tried', () => events.some(({ kind }) => kind === 'error'));
    controller.abort(new Error('enough'));
    await expect(opening).rejects.toThrow('enough');
    const stop = new AbortController();
    const replica = await open(stack, { signal: stop.signal });
    stop.abort();
    await until('it is closed', () => replica.status.state.kind === 'closed');
    await replica.close();
    await open(stack); // the lock is free
  });

  test('what waiting cannot mend is rejected, and the file stays free', async () => {
    const stack = await cities();
    const folder = join(stack.dir, 'nowhere', 'r.db');
    const foreign = join(stack.dir, 'letter.txt');
    writeFileSync(foreign, 'Dear Sir or Madam, '.repeat(100));
    const wrong = [
      [{ selectors: [] }, 'BAD_SELECTOR'],
      [{ selectors: ['*'] }, 'BAD_SELECTOR'],
      [{ server: 'ftp://somewhere' }, 'BAD_REQUEST'],
      [{ file: folder }, 'REPLICA_WRITE_FAILED'],
      [{ file: stack.dir }, 'BAD_REQUEST'],
      [{ file: '' }, 'BAD_REQUEST'],
      [{ server: `${stack.server}/v1/feed` }, 'NOT_FOUND'],
      [{ file: foreign }, 'REPLICA_UNFIT'],
    ] as const;
    for (const [options, code] of wrong) {
      await expect(open(stack, options)).rejects.toMatchObject({ code });
    }
    expect(existsSync(folder)).toBe(false);
    expect(readFileSync(foreign, 'utf8')).toMatch(/^Dear Sir or Madam, /);
    const replica = await open(stack);
    await expect(open(stack)).rejects.toMatchObject({ code: 'REPLICA_IN_USE' });
    await expect(replica.waitFor('soon')).rejects.toMatchObject({ code: 'BAD_POSITION' });
  });
});

describe('reading your writes', () => {
  test('P9: waitFor is as fast for a replica that the write does not concern', async () => {
    const stack = await cities();
    const replica = await open(stack, { selectors: ['IT'] });
    const times: number[] = [];
    for (let turn = 0; turn < 20; turn += 1) {
      await stack.sql.query(`UPDATE city SET people = people + 1 WHERE id = 3`);
      const position = await stack.position();
      const start = performance.now();
      await replica.waitFor(position, { timeoutMs: 5000 });
      times.push(performance.now() - start);
    }
    // The feed alone would say so once a second.
    const [median = 0] = times.sort((a, b) => a - b).slice(times.length / 2);
    expect(median).toBeLessThan(300);
  });

  test('ends with TIMEOUT for a position that never comes', async () => {
    const stack = await cities();
    const replica = await open(stack);
    await expect(replica.waitFor('FFFF/0', { timeoutMs: 200 })).rejects.toMatchObject({
      code: 'TIMEOUT',
    });
  });
});

describe('trouble', () => {
  test('F26: a writer that holds the file delays the replica, which shows it and goes on', async () => {
    const stack = await cities();
    const replica = await open(stack);
    const other = new DatabaseSync(stack.file('r'));
    other.exec('BEGIN IMMEDIATE');
    await stack.sql.query(`UPDATE city SET name = 'held up' WHERE id = 3`);
    await until('it waits', () => replica.status.state.kind === 'waiting');
    expect(replica.status.state).toMatchObject({ trouble: { code: 'REPLICA_WRITE_FAILED' } });
    other.exec('ROLLBACK');
    other.close();
    await stack.settle(replica);
    await expectEqual(stack, stack.file('r'), ['FR']);
  });

  test('an expired token is shown and replaced by the next one; one that forbids is the end', async () => {
    const secret = randomBytes(32).toString('hex');
    const tokens = { ...NO_TOKENS, secrets: [secret] };
    const config = { host: '127.0.0.1', heartbeatS: 1, tokens };
    const stack = await cities({ server: config });
    const token = (selectors: string[], lifetimeS: number): Promise<string> =>
      issueToken(
        {
          ...{ secret, selectors, lifetimeS, subject: 'test', scopes: ['read'] },
          ...{ issuer: undefined, audience: undefined },
        },
        systemClock,
      );
    let isRenewed = false;
    const events: ReplicaEvent[] = [];
    const replica = await open(stack, {
      token: () => token(['FR'], isRenewed ? 60 : 1),
      onEvent: (event) => events.push(event),
    });
    const isExpired = (event: ReplicaEvent): boolean =>
      event.kind === 'error' && event.error.code === 'TOKEN_INVALID';
    await until('the token has expired', () => events.some(isExpired), 30_000);
    isRenewed = true;
    await stack.sql.query(`UPDATE city SET name = 'renewed' WHERE id = 3`);
    await until('the change has come', () => nameIn(stack.file('r')) === 'renewed');
    await replica.close();
    const other = open(stack, { token: () => token(['DE'], 60), file: stack.file('other') });
    await expect(other).rejects.toMatchObject({ code: 'TOKEN_FORBIDS' });
  });
});

function nameIn(file: string): unknown {
  const db = new DatabaseSync(file, { readOnly: true });
  const row = db.prepare('SELECT name FROM city WHERE id = 3').get();
  db.close();
  return row?.name;
}
