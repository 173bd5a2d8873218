/**
 * What merging costs: an upload of many rows, from its text to the commit in a two-way table, against the same rows as
 * one statement with an array for each column, to a table that is not. Also printed: what one row takes on the wire, as
 * the client sends it (zstd).
 *
 *   node bench/perf/upload.ts [--rounds 5] [--rows 10000]
 */
import { randomUUID } from 'node:crypto';
import { parseArgs } from 'node:util';
import { zstdCompressSync } from 'node:zlib';
import { LSN_ZERO } from '../../src/core/lsn.ts';
import type { TableDef, TwowayDef } from '../../src/core/table.ts';
import type { Cell } from '../../src/core/value.ts';
import { insertChange, updateChange } from '../../src/merge/local-change.ts';
import { deadRow, merge, type RowState, UNKNOWN_ROW } from '../../src/merge/row-state.ts';
import { PgSession } from '../../src/postgres/session.ts';
import { enableTwoway } from '../../src/postgres/twoway/enable.ts';
import { Uploads } from '../../src/postgres/upload/uploads.ts';
import { encodeChange, encodeHead, encodeTransaction } from '../../src/protocol/upload.ts';
import { readUpload } from '../../src/protocol/upload-reader.ts';
import { compare, print } from './lib/measure.ts';
import { BenchSource } from './lib/source.ts';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    rows: { type: 'string', default: '10000' },
  },
});
const rounds = Number(values.rounds);
const rowCount = Number(values.rows);

const WRITER = { userid: 'bench', claims: {}, selectors: 'any' } as const;
const COLUMNS = ['user_id', 'name', 'value'];

const TABLE: TableDef & { readonly twoway: TwowayDef } = {
  name: 'public.versioned',
  columns: [
    ...['id', 'user_id', 'name'].map((name) => ({ name, type: 'text', kind: 'text' as const })),
    { name: 'value', type: 'integer', kind: 'int' },
  ],
  key: ['id'],
  indexes: [],
  selector: { kind: 'everyone' },
  twoway: { versions: '', columns: COLUMNS },
};

type Row = readonly [id: string, user: string, name: string, value: number];

const USER = randomUUID();
const ROWS = Array.from(
  { length: rowCount },
  (_, at): Row => [`db1_r1_${at}`, USER, `name ${at}`, at],
);

type Job = {
  readonly name: string;
  /** The change of one row after another, given what the jobs before have made of it. */
  readonly change: (state: RowState, row: Row) => RowState;
  readonly plain: string;
};

const UNNEST =
  'unnest($1::text[], $2::text[], $3::text[], $4::int[]) AS u(id, user_id, name, value)';

const JOBS: readonly Job[] = [
  {
    name: 'upload of inserts',
    change: (state, [, user, name, value]) =>
      insertChange(
        state,
        new Map<string, Cell>([
          ['user_id', user],
          ['name', name],
          ['value', value],
        ]),
      ),
    plain: `INSERT INTO plain SELECT * FROM ${UNNEST}`,
  },
  {
    name: 'upload of updates',
    change: (state, [, , , value]) => updateChange(state, new Map([['value', value + 1]])) ?? state,
    plain: `UPDATE plain p SET value = u.value + 1 FROM ${UNNEST} WHERE p.id = u.id`,
  },
  {
    name: 'upload of deletes',
    change: ({ cl }) => deadRow(cl + 1),
    plain: `DELETE FROM plain p USING ${UNNEST} WHERE p.id = u.id`,
  },
];

/** The texts of one upload for each job, one local transaction each. */
function bodies(): readonly string[] {
  const head = { site: randomUUID(), timeline: 'bench', position: LSN_ZERO, settled: 0 };
  const states = ROWS.map(() => UNKNOWN_ROW);
  return JOBS.map(({ change }, job) => {
    const lines = ROWS.map((row, at) => {
      const state = states[at] ?? UNKNOWN_ROW;
      const next = change(state, row);
      states[at] = merge(state, next);
      return encodeChange(TABLE, [row[0]], next);
    });
    return [encodeHead(head), encodeTransaction(job + 1, 'bench-nonce'), ...lines].join('\n');
  });
}

function reportWire(): void {
  bodies().forEach((body, index) => {
    const bytesPerRow = zstdCompressSync(`${body}\n`).byteLength / rowCount;
    const name = `${JOBS[index]?.name} on the wire`;
    process.stderr.write(`${name}: ${bytesPerRow.toFixed(1)} bytes a row\n`);
    process.stdout.write(`${JSON.stringify({ name, bytesPerRow })}\n`);
  });
}

async function main(): Promise<void> {
  reportWire();
  const source = await BenchSource.open();
  const uploads = new Uploads(source.url);
  try {
    const columns = "(id text PRIMARY KEY, user_id text NOT NULL DEFAULT '', name text, value int)";
    await source.sql.query(`CREATE TABLE plain ${columns}; CREATE TABLE versioned ${columns}`);
    const session = await PgSession.connect({ url: source.url });
    await enableTwoway(session, { table: 'versioned', rule: '*' });
    await session.end();
    for (const [index, job] of JOBS.entries()) {
      const sides = [
        { name: 'upload', run: () => upload(source, uploads, index) },
        { name: 'statement', run: () => statement(source, index) },
      ] as const;
      print(await compare({ name: job.name, unit: 'rows/s', rounds, sides }));
    }
  } finally {
    await uploads.close();
    await source.close();
  }
}

/** The jobs before it make its rows; only it is measured. */
async function upload(source: BenchSource, uploads: Uploads, job: number): Promise<number> {
  await source.sql.query('TRUNCATE versioned; TRUNCATE tidelock.versions_public_versioned');
  let ms = 0;
  for (const body of bodies().slice(0, job + 1)) {
    const start = performance.now();
    const { applied, refused } = await uploads.apply(readUpload(body), WRITER);
    ms = performance.now() - start;
    if (applied !== 1) throw new Error(`the upload was refused: ${JSON.stringify(refused)}`);
  }
  return (rowCount / ms) * 1000;
}

async function statement(source: BenchSource, job: number): Promise<number> {
  await source.sql.query('TRUNCATE plain');
  const lists = [0, 1, 2, 3].map((at) => ROWS.map((row) => row[at]));
  let ms = 0;
  for (const { plain } of JOBS.slice(0, job + 1)) {
    const start = performance.now();
    await source.sql.query(plain, lists);
    ms = performance.now() - start;
  }
  return (rowCount / ms) * 1000;
}

await main();
