/** The stress test's oracle against a real Postgres, one that is killed included. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type OwnPostgres, startOwnPostgres } from '../../src/bench/script/own-postgres.ts';
import type { EvidenceTable, OracleEvent } from '../../src/bench/stress/evidence.ts';
import { type Oracle, startOracle } from '../../src/bench/stress/oracle/oracle.ts';
import { PgSession } from '../../src/postgres/session.ts';
import { until } from '../support/stack.ts';

const TABLE: EvidenceTable = {
  ...{ name: 'public.Odd t', key: ['id'], selector: null, balance: null },
  columns: [
    { name: 'id', kind: 'int' },
    { name: 'note', kind: 'text' },
    { name: 'f', kind: 'float' },
    { name: 'b', kind: 'bool' },
    { name: 'by', kind: 'bytes' },
    { name: 'at', kind: 'timestamptz' },
  ],
};
const SCHEMA = `
  CREATE TABLE public."Odd t" (id int PRIMARY KEY, note text, f float8, b bool, by bytea, at timestamptz, list int[]);
  ALTER TABLE public."Odd t" REPLICA IDENTITY FULL;
  ALTER TABLE public."Odd t" ALTER note SET STORAGE EXTERNAL;
  CREATE TABLE public.other (id int);`;

let own: OwnPostgres;
let url: string;

beforeAll(async () => {
  own = await startOwnPostgres({ wal_level: 'logical', checkpoint_timeout: '30s' });
  url = await own.postgres.createDatabase('oracle');
  const session = await PgSession.connect({ url });
  await session.query(SCHEMA);
  await session.end();
});

afterAll(() => own.end());

type Watch = { readonly oracle: Oracle; readonly events: OracleEvent[] };

async function watch(slot: string): Promise<Watch> {
  const events: OracleEvent[] = [];
  const startedAt = Date.now();
  const oracle = await startOracle({
    ...{ url, slot, tables: [TABLE], startedAt },
    onEvent: (event) => events.push(event),
  });
  return { oracle, events };
}

async function positionOf(session: PgSession): Promise<string> {
  return (await session.queryOne('SELECT pg_current_wal_flush_lsn() AS lsn')).lsn ?? '';
}

test('every committed transaction comes in commit order with its exact values, and the slot goes', async () => {
  const session = await PgSession.connect({ url });
  const late = await PgSession.connect({ url });
  const { oracle, events } = await watch('oracle_values');
  await late.query('BEGIN');
  await late.query(`INSERT INTO public."Odd t" (id) VALUES (1)`);
  await session.query(
    `INSERT INTO public."Odd t" VALUES (2, $1, '-0', true, '\\x00ff', '2026-01-01 00:00:00.25+02', '{1,2}')`,
    [`it's "x"\n'${'y'.repeat(4000)}`],
  );
  await session.query('BEGIN; INSERT INTO public."Odd t" (id) VALUES (9); ROLLBACK');
  await session.query('INSERT INTO public.other VALUES (1)');
  await late.query('COMMIT');
  await session.query('UPDATE public."Odd t" SET id = 3, f = 1e300 WHERE id = 2');
  await session.query('TRUNCATE public."Odd t"');
  const end = await positionOf(session);
  await oracle.close(end);
  expect(events.map(({ changes }) => changes.map(({ op, row }) => [op, row?.id]))).toEqual([
    [['insert', '2']],
    [['insert', '1']],
    [['update', '3']],
    [['truncate', undefined]],
  ]);
  const value = {
    ...{ note: `it's "x"\n'${'y'.repeat(4000)}`, b: 'true', by: '\\x00ff' },
    ...{ at: '2025-12-31 22:00:00.25+00', list: '{1,2}' },
  };
  expect(events[0]?.changes[0]?.row).toEqual({ id: '2', f: '-0', ...value });
  expect(events[2]?.changes[0]?.row).toEqual({ id: '3', f: '1e+300', ...value });
  expect(Number(events[1]?.txid)).toBeLessThan(Number(events[0]?.txid));
  const slots = await session.query('SELECT slot_name FROM pg_replication_slots');
  expect(slots).toEqual([]);
  await session.end();
  await late.end();
});

test('P18: kill -9 of Postgres neither loses nor doubles a transaction', async () => {
  const { oracle, events } = await watch('oracle_crash');
  const written: string[] = [];
  for (let round = 0; round < 3; round += 1) {
    const session = await PgSession.connect({ url });
    for (let index = 0; index < 20; index += 1) {
      const id = String(1000 + round * 100 + index);
      await session.query('INSERT INTO public."Odd t" (id) VALUES ($1)', [id]);
      written.push(id);
    }
    await until('the oracle has seen some of them', () => events.length > round * 20);
    session.destroy();
    own.postgres.kill();
    await own.postgres.restart();
  }
  const session = await PgSession.connect({ url });
  await oracle.close(await positionOf(session));
  await session.end();
  expect(events.map(({ changes }) => changes[0]?.row?.id)).toEqual(written);
});
