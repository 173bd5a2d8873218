/** What happens to the slot when its Postgres crashes, loses WAL or runs with other settings. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { LSN_ZERO } from '../../src/core/lsn.ts';
import { EmbeddedPostgres } from '../../src/postgres/embedded.ts';
import { requireFit } from '../../src/postgres/fit.ts';
import { PgSession } from '../../src/postgres/session.ts';
import { readSlot, readSourceFacts } from '../../src/postgres/source-facts.ts';
import { Recorder, TestDatabase } from '../support/source-recorder.ts';
import { until } from '../support/stack.ts';

function folder(): string {
  const dir = mkdtempSync(join(tmpdir(), 'tidelock-source-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

async function startPostgres(
  settings: Record<string, string>,
  dir = folder(),
): Promise<EmbeddedPostgres> {
  const postgres = await EmbeddedPostgres.start({ dir, settings });
  onTestFinished(() => postgres.stop());
  return postgres;
}

async function insert(session: PgSession, id: number): Promise<void> {
  await session.query(`INSERT INTO public.t VALUES (${id})`);
}

const ids = (recorder: Recorder): unknown[] => recorder.inserted('public.t').map(([id]) => id);

test('P2, P18: when a crash takes the slot back, nothing that the log has is delivered again', async () => {
  const postgres = await startPostgres({ checkpoint_timeout: '1h' });
  const db = await TestDatabase.create(postgres.url);
  await db.sql.query('CREATE TABLE public.t (id int PRIMARY KEY); CHECKPOINT');
  const { reader, recorder, slot, publication } = await db.stream(['public.t']);
  for (const id of [1, 2, 3]) await insert(db.sql, id);
  await recorder.until(() => recorder.committed.length === 3, 'three rows');
  const after = recorder.committed[2]?.ts ?? LSN_ZERO;
  reader.confirm(after);
  await postgres.kill();
  expect(await reader.closed).toMatchObject({ code: 'SOURCE_DOWN' });
  await postgres.restart();
  const session = await PgSession.connect({ url: db.url, isReplication: true });
  const facts = await readSourceFacts(session, slot);
  expect(facts.flushed).toBeGreaterThanOrEqual(after);
  expect(facts.slot?.confirmed, 'the slot went back: nothing was exercised otherwise').toBeLessThan(
    after,
  );
  const again = new Recorder();
  await insert(session, 4);
  const next = await db.read({ slot, publication, handler: again, after });
  await again.until(() => ids(again).includes('4'), 'the row after the crash');
  expect(ids(again)).toEqual(['4']);
  await next.close();
  await session.end();
});

test('P18: after a promotion the source tells its new timeline and where it branched off', async () => {
  const dir = folder();
  const postgres = await startPostgres({ restore_command: 'false' }, dir);
  const first = await PgSession.connect({ url: postgres.url, isReplication: true });
  const before = await readSourceFacts(first, 'none');
  await first.end();
  await postgres.stop();
  // What a restored backup does: recover to the end of the log, then start a timeline of its own.
  writeFileSync(join(dir, 'data', 'recovery.signal'), '');
  await postgres.restart();
  const session = await PgSession.connect({ url: postgres.url, isReplication: true });
  await until('the promotion', async () => {
    const row = await session.queryOne('SELECT pg_is_in_recovery() AS waits');
    return row.waits === 'f';
  });
  const after = await readSourceFacts(session, 'none');
  await session.end();
  expect(after).toMatchObject({ systemId: before.systemId, walTimeline: 2 });
  expect(after.switchedAt).toBeGreaterThanOrEqual(before.flushed);
  expect(after.switchedAt).toBeLessThanOrEqual(after.flushed);
});

test('P20: a slot whose WAL was removed is lost, says why, and can be dropped', async () => {
  const postgres = await startPostgres({ max_slot_wal_keep_size: '1MB', min_wal_size: '32MB' });
  const db = await TestDatabase.create(postgres.url);
  const slot = await db.slot();
  for (let round = 0; round < 20; round += 1) {
    if ((await readSlot(db.sql, slot))?.isLost === true) break;
    await db.sql.query(
      'CREATE TABLE public.burst AS SELECT g, md5(g::text) FROM generate_series(1, 200000) g',
    );
    await db.sql.query('DROP TABLE public.burst');
    await db.sql.query('SELECT pg_switch_wal()');
    await db.sql.query('CHECKPOINT');
  }
  expect(await readSlot(db.sql, slot)).toMatchObject({
    ...{ isLost: true, lostReason: expect.stringMatching(/wal_removed|removed WAL/) },
  });
  await db.sql.query('CREATE PUBLICATION p');
  const attempt = db.read({ slot, publication: 'p', handler: new Recorder() });
  await expect(attempt).rejects.toMatchObject({ code: 'SLOT_LOST' });
  await db.close();
});

test('P20: a Postgres without logical WAL is refused with the statement to run', async () => {
  const postgres = await startPostgres({ wal_level: 'replica' });
  const session = await PgSession.connect({ url: postgres.url });
  await expect(requireFit(session)).rejects.toMatchObject({
    code: 'SOURCE_UNFIT',
    hint: "run: ALTER SYSTEM SET wal_level = 'logical'; then restart Postgres",
  });
  await session.end();
});
