import { once } from 'node:events';
import { createServer, connect as dial, type Server, type Socket } from 'node:net';
import { afterAll, afterEach, beforeAll, expect, inject, onTestFinished, test } from 'vitest';
import { LSN_ZERO } from '../../src/core/lsn.ts';
import { holderName } from '../../src/postgres/slot.ts';
import { readSlot } from '../../src/postgres/source-facts.ts';
import { Recorder, TestDatabase } from '../support/source-recorder.ts';
import { until } from '../support/stack.ts';
import { ManualTimers } from '../unit/postgres/manual-timers.ts';

let db: TestDatabase;

beforeAll(async () => {
  db = await TestDatabase.create(inject('postgresUrl'));
  await db.sql.query(`
    CREATE TABLE public.t (id int PRIMARY KEY, v text);
    CREATE TABLE public.other (id int);`);
});

afterEach(() => db.endStreams());
afterAll(() => db.close());

let nextId = 1;

async function insertOne(): Promise<string> {
  const id = String(nextId);
  nextId += 1;
  await db.sql.query(`INSERT INTO public.t VALUES (${id}, 'x')`);
  return id;
}

const has = (recorder: Recorder, id: string): boolean =>
  recorder.inserted('public.t').some((row) => row[0] === id);

test('confirming moves the slot, and nothing confirmed is sent again', async () => {
  const { reader, recorder, slot, publication } = await db.stream(['public.t']);
  const first = await insertOne();
  const second = await insertOne();
  await recorder.until(() => has(recorder, second), 'both rows');
  const [one, two] = recorder.committed;
  reader.confirm(one?.ts ?? LSN_ZERO);
  await reader.close();
  expect(await reader.closed).toBeNull();
  const again = new Recorder();
  const next = await db.read({ slot, publication, handler: again });
  await again.until(() => has(again, second), 'the row that was not confirmed');
  expect(has(again, first)).toBe(false);
  next.confirm(two?.ts ?? LSN_ZERO);
  await until(
    'the slot moves',
    async () => ((await readSlot(db.sql, slot))?.confirmed ?? 0) >= (two?.ts ?? 0),
  );
});

test('P2: after a crash of ours, what the log has is not sent again, whatever the slot says', async () => {
  const { reader, recorder, slot, publication } = await db.stream(['public.t']);
  const stored = await insertOne();
  await recorder.until(() => has(recorder, stored), 'the row');
  await reader.close();
  const later = await insertOne();
  const again = new Recorder();
  const after = recorder.committed.at(-1)?.ts ?? LSN_ZERO;
  await db.read({ slot, publication, handler: again, after });
  await again.until(() => has(again, later), 'the later row');
  expect(has(again, stored)).toBe(false);
});

test('keepalives pass what nobody publishes, so an idle table retains no WAL', async () => {
  const { reader, recorder, slot } = await db.stream(['public.t']);
  const { lsn } = await db.sql.queryOne(
    `SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0') AS lsn`,
  );
  await db.sql.query('INSERT INTO public.other SELECT generate_series(1, 1000)');
  const passed = Number(lsn) + 50_000;
  await recorder.until(() => (recorder.keepalives.at(-1) ?? 0) >= passed, 'a keepalive');
  expect(recorder.committed).toEqual([]);
  reader.confirm(recorder.keepalives.at(-1) ?? LSN_ZERO);
  await until(
    'the slot moves',
    async () => ((await readSlot(db.sql, slot))?.confirmed ?? 0) >= passed,
  );
});

test('a paused reader delivers nothing, and everything after it goes on', async () => {
  const { reader, recorder } = await db.stream(['public.t']);
  const before = await insertOne();
  await recorder.until(() => has(recorder, before), 'the row before');
  reader.pause();
  const { recorder: witness } = await db.stream(['public.t']);
  const during = await insertOne();
  await witness.until(() => has(witness, during), 'the row, elsewhere');
  expect(has(recorder, during)).toBe(false);
  reader.resume();
  await recorder.until(() => has(recorder, during), 'the row after resuming');
});

test('a promise of the handler holds the stream until it settles', async () => {
  const { recorder } = await db.stream(['public.t']);
  const gate = Promise.withResolvers<void>();
  recorder.onRelation = () => gate.promise;
  const { recorder: witness } = await db.stream(['public.t']);
  const first = await insertOne();
  const second = await insertOne();
  await witness.until(() => has(witness, second), 'both rows, elsewhere');
  await until('the announcement', () => recorder.calls.length > 0);
  expect(recorder.calls).toEqual(['begin', 'relation']);
  expect(has(recorder, first)).toBe(false);
  gate.resolve();
  await recorder.until(() => has(recorder, second), 'both rows');
});

test('F3: a terminated walsender closes the reader with the reason', async () => {
  const { reader, slot } = await db.stream(['public.t']);
  await db.sql.query(
    `SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = '${slot}'`,
  );
  expect(await reader.closed).toMatchObject({ code: 'SOURCE_DOWN' });
});

test('P20: a slot that is in use, is gone, or whose publication was dropped is told apart', async () => {
  const { reader, recorder, slot } = await db.stream(['public.t'], { publication: 'doomed' });
  const again = db.read({ slot, publication: 'doomed', handler: new Recorder() });
  await expect(again).rejects.toMatchObject({ code: 'SLOT_BUSY' });
  const missing = db.read({ slot: 'nowhere', publication: 'doomed', handler: new Recorder() });
  await expect(missing).rejects.toMatchObject({ code: 'SLOT_LOST' });
  await db.sql.query('DROP PUBLICATION doomed');
  await insertOne();
  expect(await reader.closed).toMatchObject({
    code: 'SLOT_LOST',
    message: expect.stringContaining('doomed'),
  });
  expect(recorder.committed).toEqual([]);
});

test('a handler that throws ends the stream, and its error is not swallowed', async () => {
  const { reader, recorder } = await db.stream(['public.t']);
  recorder.onCommit = () => {
    throw new Error('a bug');
  };
  await insertOne();
  await expect(reader.closed).rejects.toThrow('a bug');
});

test('an unreachable Postgres is SOURCE_DOWN with its address and without the password', async () => {
  const handler = new Recorder();
  const url = 'postgres://someone:secret@127.0.0.1:1/nothing';
  const attempt = db.read({ url, slot: 's', publication: 'p', handler });
  await expect(attempt).rejects.toMatchObject({
    code: 'SOURCE_DOWN',
    message: expect.stringContaining('127.0.0.1:1/nothing'),
  });
  await attempt.catch((error: unknown) => expect(String(error)).not.toContain('secret'));
});

test('the holder of the slot can be recognised by its name', async () => {
  const { slot } = await db.stream(['public.t']);
  const { name } = await db.sql.queryOne(
    `SELECT application_name AS name FROM pg_stat_replication r
     JOIN pg_replication_slots s ON s.active_pid = r.pid WHERE slot_name = '${slot}'`,
  );
  expect(name).toBe(holderName(slot, slot).slice(0, 63));
});

/** Forwards to Postgres until it is told to swallow everything. */
class Forwarder {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  isSilent = false;

  constructor(port: number) {
    this.#server = createServer((inside) => {
      const outside = dial(port, '127.0.0.1');
      for (const [from, to] of [
        [inside, outside],
        [outside, inside],
      ] as const) {
        this.#sockets.add(from);
        from.on('data', (bytes) => void (this.isSilent || to.write(bytes)));
        from.on('close', () => to.destroy());
        from.on('error', () => to.destroy());
      }
    });
  }

  async listen(): Promise<number> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    const address = this.#server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
  }
}

test('F13: a half-open connection is asked for a sign of life and given up after a minute', async () => {
  const url = new URL(db.url);
  const proxy = new Forwarder(Number(url.port));
  onTestFinished(() => proxy.close());
  url.port = String(await proxy.listen());
  const timers = new ManualTimers();
  const { reader, recorder } = await db.stream(['public.t'], {
    ...{ url: url.href, timers, isPaced: false },
  });
  const seen = recorder.keepalives.length;
  timers.advance(30_000);
  await recorder.until(() => recorder.keepalives.length > seen, 'the answer to our question');
  proxy.isSilent = true;
  timers.advance(59_000);
  timers.advance(11_000);
  expect(await reader.closed).toMatchObject({
    code: 'SOURCE_DOWN',
    message: expect.stringContaining('no sign of life'),
  });
});
