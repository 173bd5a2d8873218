/** What the log is kept for, and from where a feed may begin. */
import { expect, test } from 'vitest';
import { LeapingClock } from '../../src/bench/leaping-clock.ts';
import { parseLsn } from '../../src/core/lsn.ts';
import { DEFAULT_POLICY } from '../../src/engine/engine.ts';
import { DEFAULT_LIMITS } from '../../src/server/config.ts';
import { smallStack } from '../support/small-world.ts';
import { type Stack, until } from '../support/stack.ts';

/** The log looks once a second for what may go; a snapshot without a name holds it for a minute. */
const LOOK_MS = 1000;
const HELD_MS = 60_000;

let stack: Stack;
let clock: LeapingClock;

async function begin(): Promise<void> {
  clock = new LeapingClock();
  stack = await smallStack({
    // Nothing is kept but what somebody holds.
    engine: { policy: { ...DEFAULT_POLICY, keepS: 0 }, clock },
  });
}

async function write(id: number): Promise<void> {
  await stack.sql.query(`INSERT INTO city VALUES (${id}, 'new', 'FR', 1)`);
}

test('P7: the log is held for a snapshot without a name until its feed has had time to start, and no longer', async () => {
  await begin();
  await write(5000);
  const before = parseLsn(await stack.position(), 'here');
  await until('what nobody holds is gone', () => {
    const { since, upper } = stack.engine.status().log;
    return upper >= before && since > 0 && stack.engine.status().log.groups === 0;
  });
  const headers = { accept: 'application/x-ndjson' };
  const answer = await fetch(`${stack.server}/v1/snapshot?selector=FR`, { headers });
  const lines = (await answer.text()).trim().split('\n');
  const end = JSON.parse(lines.at(-1) ?? '{}') as { ts: string; timeline: string };
  await write(5001);
  await stack.logged();
  const taken = parseLsn(end.ts, 'the snapshot');
  const since = (): number => stack.engine.status().log.since;
  for (let ms = LOOK_MS; ms < HELD_MS / 2; ms += LOOK_MS) {
    clock.leap(LOOK_MS);
    expect(since()).toBeLessThanOrEqual(taken);
  }
  const feed = await fetch(
    `${stack.server}/v1/feed?selector=FR&follow=0&since=${end.ts}&timeline=${end.timeline}`,
  );
  expect(feed.status).toBe(200);
  expect(await feed.text()).toContain('5001');
  clock.leap(HELD_MS);
  clock.leap(LOOK_MS);
  expect(since()).toBeGreaterThan(taken);
});

test('P8, P18: a position ahead of the log is refused as of another history, with and without its timeline', async () => {
  await begin();
  const timeline = stack.engine.status().timeline ?? '';
  for (const more of ['', `&timeline=${timeline}`]) {
    const feed = await fetch(`${stack.server}/v1/feed?selector=FR&follow=0&since=FFF/0${more}`);
    expect(feed.status).toBe(410);
    expect(await feed.json()).toMatchObject({ error: { code: 'TIMELINE_CHANGED' } });
  }
  expect(stack.engine.status().subscribers).toBe(0);
});

test('scans for digests in the feed wait in the line of digestsMax', async () => {
  stack = await smallStack({
    server: { limits: { ...DEFAULT_LIMITS, digestsMax: 1 } },
  });
  const holder = await stack.client();
  await holder.query('BEGIN; LOCK TABLE city IN ACCESS EXCLUSIVE MODE');
  const asked = fetch(`${stack.server}/v1/digest?selector=FR`);
  const queued = async (count: number): Promise<boolean> => {
    const metrics = await (await fetch(`${stack.server}/metrics`)).text();
    return metrics.includes(`tidelock_queued ${count}`);
  };
  const stop = new AbortController();
  const feed = await fetch(`${stack.server}/v1/feed?selector=FR&digest=1`, { signal: stop.signal });
  await until('the check waits in line', () => queued(1));
  await holder.query('ROLLBACK');
  expect((await asked).status).toBe(200);
  let text = '';
  for await (const chunk of feed.body ?? []) {
    text += Buffer.from(chunk).toString();
    if (text.includes('"digests"')) break;
  }
  stop.abort();
  expect(text).toContain('"digests"');
  await until('nobody waits', () => queued(0));
});

test('a wait that begins when the engine has stopped, or whose caller has left, ends at once', async () => {
  await begin();
  const { engine } = stack;
  const far = parseLsn('FFF/0', 'far ahead');
  const gone = engine.waitFor(far, 60_000, AbortSignal.abort(new Error('the caller has left')));
  await expect(gone).rejects.toThrow('the caller has left');
  await stack.stop();
  const late = engine.waitFor(far, 60_000, new AbortController().signal);
  await expect(late).rejects.toMatchObject({ code: 'NOT_READY' });
});

test('P27: snapshots and digests that are asked for while the stream does not run wait for it', async () => {
  const policy = { ...DEFAULT_POLICY, reconnectMsMin: 800, reconnectMsMax: 800 };
  stack = await smallStack({ engine: { policy } });
  const { state } = stack.engine.status().source;
  expect(state).toBe('streaming');
  await stack.sql.query(
    `SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = '${stack.name}'`,
  );
  await until('the stream is lost', () => stack.engine.status().source.state === 'down');
  expect((await fetch(`${stack.server}/ready`)).status).toBe(200);
  const answers = ['snapshot', 'digest'].map((path) =>
    fetch(`${stack.server}/v1/${path}?selector=FR`),
  );
  for (const answer of await Promise.all(answers)) {
    expect(answer.status).toBe(200);
    await answer.arrayBuffer();
  }
});

test('P27: a snapshot does not wait for ever for a stream that stays away, nor for a client that is gone', async () => {
  const policy = { ...DEFAULT_POLICY, reconnectMsMin: 60_000, reconnectMsMax: 60_000 };
  stack = await smallStack({ engine: { policy, snapshotWaitMsMax: 1500 } });
  await stack.sql.query(
    `SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = '${stack.name}'`,
  );
  await until('the stream is lost', () => stack.engine.status().source.state === 'down');
  const late = await fetch(`${stack.server}/v1/snapshot?selector=FR`);
  expect(await late.json()).toMatchObject({ error: { code: 'SOURCE_DOWN' } });
  const request = { selectors: ['FR'], replica: undefined, signal: AbortSignal.timeout(100) };
  const given = await stack.engine.snapshotFile(request).catch((error: unknown) => error);
  expect(given, 'given up, not waited for to the end').toBeInstanceOf(Error);
  expect(given).not.toMatchObject({ code: 'SOURCE_DOWN' });
});
