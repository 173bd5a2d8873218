/**
 * Where the evidence of the demo begins: at a quiet position, with everything that is there as one transaction.
 * From then on an independent slot tells what is committed.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { PgSession } from '../../postgres/session.ts';
import { fromPostgres } from '../stress/canonical.ts';
import type { EvidenceRow, EvidenceTable, OracleEvent, RunFile } from '../stress/evidence.ts';
import { EvidenceWriter } from '../stress/evidence-writer.ts';
import { type Oracle, startOracle } from '../stress/oracle/oracle.ts';
import { EVIDENCE_TABLES } from './places.ts';

const ORACLE_SLOT = 'tidelock_demo_oracle';
const POSITION_SQL = 'SELECT pg_current_wal_insert_lsn()::text AS lsn';
/** An earlier demo may have been killed. */
const DROP_SLOT_SQL = `
  SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots
  WHERE slot_name = $1 AND NOT active`;

/** The folder of the evidence, made anew. */
export function openEvidence(dir: string): EvidenceWriter {
  const folder = join(dir, 'evidence');
  rmSync(folder, { recursive: true, force: true });
  return new EvidenceWriter(folder, Date.now());
}

/** Nobody writes meanwhile. Rows of other countries than these are left out: nobody touches them. */
export async function startEvidence(work: {
  readonly session: PgSession;
  readonly url: string;
  readonly countries: readonly string[];
  readonly evidence: EvidenceWriter;
}): Promise<{ readonly oracle: Oracle; readonly position: string }> {
  const { session, url, countries, evidence } = work;
  await session.query(DROP_SLOT_SQL, [ORACLE_SLOT]);
  const oracle = await startOracle({
    ...{ url, slot: ORACLE_SLOT, tables: EVIDENCE_TABLES, startedAt: evidence.startedAtMs },
    onEvent: (event) => evidence.write('oracle', event),
  });
  const { lsn } = await session.queryOne(POSITION_SQL);
  const position = lsn ?? '0/0';
  const changes: OracleEvent['changes'][number][] = [];
  for (const table of EVIDENCE_TABLES) {
    for (const row of await rowsOf(session, table, countries)) {
      changes.push({ table: table.name, op: 'insert', old: null, row });
    }
  }
  const t = evidence.now();
  evidence.write('oracle', { t, ts: position, txid: '0', committedAt: t, changes });
  return { oracle, position };
}

async function rowsOf(
  session: PgSession,
  { name, columns, selector }: EvidenceTable,
  countries: readonly string[],
): Promise<readonly EvidenceRow[]> {
  const sql = `SELECT ${columns.map((column) => column.name).join()} FROM ${name}`;
  const rows =
    selector === null
      ? await session.query(sql)
      : await session.query(`${sql} WHERE ${selector} = ANY ($1::text[])`, [
          `{${countries.join()}}`,
        ]);
  return rows.map((row) =>
    Object.fromEntries(
      columns.map((column) => {
        const text = row[column.name] ?? null;
        return [column.name, text === null ? null : fromPostgres(column.kind, text)];
      }),
    ),
  );
}

/** What the judge wants to know besides the streams. */
export function runFileOf(
  evidence: EvidenceWriter,
  run: Pick<RunFile, 'seed' | 'replicas' | 'plan' | 'versions' | 'end'>,
): RunFile {
  return {
    ...{ format: 1, id: 'demo', protocol: 'native', options: {}, bug: null, ...run },
    startedAt: new Date(evidence.startedAtMs).toISOString(),
    tables: EVIDENCE_TABLES,
  };
}
