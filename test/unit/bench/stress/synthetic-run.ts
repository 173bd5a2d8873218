/**
 * Makes the evidence of a small run without running anything: a correct history from a seed, or one that is
 * damaged in one place. Replica digests come from the product's own hasher, so that the judge's is checked too.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SeededRandom } from '../../../../src/bench/random.ts';
import { hashOf, RowSum } from '../../../../src/bench/stress/canonical.ts';
import type {
  ApplyEvent,
  EvidenceRow,
  EvidenceTable,
  FaultEvent,
  OpChange,
  OpEvent,
  OracleEvent,
  ProcEvent,
  ReadEvent,
  RunFile,
  SampleEvent,
  StateEvent,
} from '../../../../src/bench/stress/evidence.ts';
import { Digest } from '../../../../src/core/digest.ts';
import { formatLsn, toLsn } from '../../../../src/core/lsn.ts';
import { RowHasher } from '../../../../src/core/row-hasher.ts';

export const RECORDS: EvidenceTable = {
  ...{ name: 'public.stress_table', key: ['id'], selector: 'sel', balance: null },
  columns: [
    { name: 'id', kind: 'bigint' },
    { name: 'content', kind: 'text' },
    { name: 'sel', kind: 'text' },
  ],
};
const ACCOUNTS: EvidenceTable = {
  ...{ name: 'public.account', key: ['id'], selector: 'sel', balance: 'balance' },
  columns: [
    { name: 'id', kind: 'int' },
    { name: 'balance', kind: 'bigint' },
    { name: 'sel', kind: 'text' },
  ],
};
const TABLES = [RECORDS, ACCOUNTS];
const SELECTORS = ['a', 'b', 'c'];
const STEP = 64;
const TX_MS = 10;

/** A change to one row; `row` null: it goes. `selector` is where it was, or is. */
export type Put = {
  readonly table: EvidenceTable;
  readonly key: string;
  readonly row: EvidenceRow | null;
  readonly before: EvidenceRow | null;
};

export type Commit = {
  readonly number: number;
  readonly position: number;
  readonly t: number;
  readonly puts: readonly Put[];
};

/** What a replica does: one step is one local transaction, followed by a read. */
export type Step = {
  readonly kind: 'snapshot' | 'difference' | 'apply' | 'marker';
  readonly position: number;
  readonly t: number;
  readonly puts: readonly Put[];
};

export class SyntheticRun {
  readonly random: SeededRandom;
  readonly commits: Commit[] = [];
  readonly op: OpEvent[] = [];
  readonly oracle: OracleEvent[] = [];
  apply: ApplyEvent[] = [];
  read: ReadEvent[] = [];
  readonly fault: FaultEvent[] = [];
  readonly state: StateEvent[] = [];
  readonly proc: ProcEvent[] = [];
  readonly sample: SampleEvent[] = [];
  run: RunFile;
  readonly steps = new Map<string, Step[]>();
  readonly #rows = new Map<string, EvidenceRow>();
  #nextTxid = 5_000_000_000;

  constructor(seed: number, transactions = 40) {
    this.random = new SeededRandom(seed);
    this.#commit(this.#firstAccounts());
    // Enough for every damage to find what it needs, whatever chance brings.
    this.#commit([this.#insert('1', 'a'), this.#insert('2', 'b'), this.#insert('3', 'c')]);
    for (let index = 0; index < transactions; index += 1) {
      if (index === 5) this.#doomed([this.#insert('777777', 'a')]);
      this.#transaction(index);
    }
    this.run = this.#runFile();
    for (const { replica, selectors } of this.run.replicas) this.#follow(replica, selectors);
    const redelivered = { redelivered: 3, committed: 0, rows: 0, lag: {}, windows: {}, rss: {} };
    this.sample.push({ t: 10, ...redelivered, cpu: { server: 1 } });
  }

  get last(): Commit {
    const last = this.commits.at(-1);
    if (last === undefined) throw new Error('a run has commits');
    return last;
  }

  /** Changes the steps of a replica, before the run is written. */
  damage(replica: string, change: (steps: readonly Step[]) => readonly Step[]): void {
    this.steps.set(replica, [...change(this.steps.get(replica) ?? [])]);
  }

  /** Writes the folder, with what the replicas show after their steps. Remove it with `remove`. */
  write(edit: (run: this) => void = () => undefined): { folder: string; remove: () => void } {
    for (const { replica, selectors } of this.run.replicas) this.#show(replica, selectors);
    edit(this);
    const folder = mkdtempSync(join(tmpdir(), 'tidelock-evidence-'));
    mkdirSync(folder, { recursive: true });
    for (const name of [
      'op',
      'oracle',
      'apply',
      'read',
      'fault',
      'state',
      'proc',
      'sample',
    ] as const) {
      const lines = this[name].map((event) => `${JSON.stringify(event)}\n`);
      writeFileSync(join(folder, `${name}.jsonl`), lines.join(''));
    }
    writeFileSync(join(folder, 'run.json'), JSON.stringify(this.run));
    return { folder, remove: () => rmSync(folder, { recursive: true, force: true }) };
  }

  #firstAccounts(): readonly Put[] {
    return ['a', 'b', 'c'].flatMap((sel, index) =>
      [0, 1].map((more) => {
        const id = String(index * 2 + more);
        return this.#put(ACCOUNTS, id, { id, balance: '100', sel });
      }),
    );
  }

  #transaction(index: number): void {
    const puts: Put[] = [];
    const taken = new Set<string>();
    for (let count = this.random.between(1, 4); count > 0; count -= 1) {
      const put = this.#draw(index);
      if (put === null || taken.has(put.key)) continue;
      taken.add(put.key);
      puts.push(put);
    }
    if (this.random.next() < 0.4) puts.push(...this.#transfer());
    // The third of every ten is a move out of "a", so that every run has some.
    const [mover] = [...this.#rows.values()].filter((row) => row.sel === 'a' && row.content);
    if (index % 10 === 3 && mover !== undefined && !taken.has(mover.id ?? '')) {
      puts.push(this.#put(RECORDS, mover.id ?? '', { ...mover, sel: 'b' }));
    }
    puts.push(this.#insert(String(1000 + index), this.random.pick(SELECTORS)));
    this.#commit(puts);
  }

  #draw(index: number): Put | null {
    const rows = [...this.#rows].filter(([name]) => name.startsWith(RECORDS.name));
    const [, row] = this.random.pick(rows);
    const roll = this.random.next();
    const id = row.id ?? '';
    if (roll < 0.2) return rows.length > 4 ? this.#put(RECORDS, id, null) : null;
    const content = this.random.next() < 0.1 ? null : `content ${index} of ${id} ${roll}`;
    if (roll < 0.7) return this.#put(RECORDS, id, { ...row, content });
    return this.#put(RECORDS, id, { ...row, sel: this.random.pick(SELECTORS) });
  }

  #transfer(): readonly Put[] {
    const first = this.random.between(0, 2) * 2;
    const amount = this.random.between(1, 9);
    return [
      { id: String(first), by: -amount },
      { id: String(first + 1), by: amount },
    ].map(({ id, by }) => {
      const row = this.#rows.get(`${ACCOUNTS.name} ${id}`) ?? {};
      return this.#put(ACCOUNTS, id, { ...row, balance: String(Number(row.balance) + by) });
    });
  }

  #insert(id: string, sel: string): Put {
    return this.#put(RECORDS, id, { id, content: `row ${id}`, sel });
  }

  #put(table: EvidenceTable, key: string, row: EvidenceRow | null): Put {
    return { table, key, row, before: this.#rows.get(`${table.name} ${key}`) ?? null };
  }

  #commit(puts: readonly Put[]): void {
    const number = this.commits.length + 1;
    const t = number * TX_MS;
    const position = 0x1000000 + number * STEP;
    this.#nextTxid += 2;
    // Every third one was begun before the one that committed before it.
    const isLate = number % 3 === 0;
    const txid = String(isLate ? this.#nextTxid - 3 : this.#nextTxid);
    const invokedAt = isLate ? t - TX_MS - 3 : t - 2;
    this.#op(`sender-1/${number}`, { txid, puts, t: invokedAt, end: { kind: 'ok', ms: 2 } });
    this.oracle.push({
      ...{ t: t + 100, ts: formatLsn(toLsn(position)), txid, committedAt: t },
      changes: puts.map(({ table, row, before }) => ({
        ...{ table: table.name, old: before, row },
        op: opOf(row, before),
      })),
    });
    for (const { table, key, row } of puts) {
      const name = `${table.name} ${key}`;
      if (row === null) this.#rows.delete(name);
      else this.#rows.set(name, row);
    }
    this.commits.push({ number, position, t, puts });
  }

  #doomed(puts: readonly Put[]): void {
    this.#nextTxid += 2;
    const end = { kind: 'fail', reason: 'on purpose' } as const;
    this.#op('sender-1/doomed', { txid: String(this.#nextTxid), puts, t: 50, end });
  }

  #op(
    tx: string,
    of: {
      readonly txid: string;
      readonly puts: readonly Put[];
      readonly t: number;
      readonly end:
        | { readonly kind: 'ok'; readonly ms: number }
        | { readonly kind: 'fail'; readonly reason: string };
    },
  ): void {
    const { txid, puts, t, end } = of;
    const base = { process: 'sender-1', tx };
    const changes = puts.map(
      ({ table, key, row, before }): OpChange => ({
        ...{ table: table.name, key, row },
        op: opOf(row, before),
      }),
    );
    const isDoomed = end.kind === 'fail';
    this.op.push({ t, ...base, kind: 'invoke', grp: 1, txid, changes, isDoomed, isEnd: false });
    this.op.push({ t: t + 2, ...base, ...end });
  }

  #runFile(): RunFile {
    const replicas = [
      { replica: 'replica-1', selectors: ['a'], file: 'replica-1.db' },
      { replica: 'replica-2', selectors: ['b', 'c'], file: 'replica-2.db' },
    ];
    return {
      ...{ format: 1, id: 'synthetic', startedAt: '2026-01-01T00:00:00.000Z', seed: 1 },
      ...{ protocol: 'native', options: {}, plan: [], versions: {}, bug: null },
      ...{ tables: TABLES, replicas },
      end: {
        ...{ durationMs: this.last.t + 200, how: 'quiet', reason: null },
        position: formatLsn(toLsn(this.last.position)),
        comparison: replicas.map(({ replica }) => ({ replica, rows: 1, differences: [] })),
      },
    };
  }

  /** A copy after some commits, then every transaction that concerns it, now and then a marker. */
  #follow(replica: string, selectors: readonly string[]): void {
    const steps: Step[] = [];
    const first = 5;
    const before = this.commits.slice(0, first);
    const copied = before.at(-1) ?? this.last;
    steps.push({
      ...{ kind: 'snapshot', position: copied.position, t: copied.t + 1 },
      puts: before.flatMap((commit) => heldPuts(commit, selectors)),
    });
    for (const { position, t, ...commit } of this.commits.slice(first)) {
      const puts = heldPuts({ position, t, ...commit }, selectors);
      steps.push({ kind: puts.length > 0 ? 'apply' : 'marker', position, t: t + 2, puts });
    }
    steps.push({
      kind: 'marker',
      position: this.last.position + STEP,
      t: this.last.t + 50,
      puts: [],
    });
    this.steps.set(replica, steps);
  }

  #show(replica: string, selectors: readonly string[]): void {
    const rows = new Map<string, { table: EvidenceTable; row: EvidenceRow }>();
    const base = { replica, life: 1, selectors };
    for (const { kind, position, t, puts } of this.steps.get(replica) ?? []) {
      const ts = formatLsn(toLsn(position));
      const delta = puts.map(({ table, key, row }) => ({ table: table.name, key: [key], row }));
      for (const { table, key, row } of puts) {
        if (row === null) rows.delete(`${table.name} ${key}`);
        else rows.set(`${table.name} ${key}`, { table, row });
      }
      if (kind !== 'marker') {
        const digests = digestsOf([...rows.values()], selectors);
        this.apply.push({ t, ...base, kind, ts, changes: puts.length, digests });
      }
      const sum = new RowSum();
      const sums: Record<string, string> = {};
      for (const { table, row } of rows.values()) {
        sum.add(hashOf(table.name, row));
        if (table !== ACCOUNTS) continue;
        sums[row.sel ?? ''] = String(Number(sums[row.sel ?? ''] ?? 0) + Number(row.balance));
      }
      const { digest, rows: count } = sum;
      this.read.push({ t: t + 1, ...base, session: 1, ts, digest, rows: count, sums, delta });
    }
  }
}

/** What a commit does to the rows of these selectors. */
function heldPuts({ puts }: Commit, selectors: readonly string[]): readonly Put[] {
  const isHeld = (row: EvidenceRow | null): boolean =>
    row !== null && selectors.includes(row.sel ?? '');
  return puts.flatMap((put) => {
    if (isHeld(put.row)) return [put];
    return isHeld(put.before) ? [{ ...put, row: null }] : [];
  });
}

function opOf(row: EvidenceRow | null, before: EvidenceRow | null): OpChange['op'] {
  if (row === null) return 'delete';
  return before === null ? 'insert' : 'update';
}

function digestsOf(
  rows: readonly { readonly table: EvidenceTable; readonly row: EvidenceRow }[],
  selectors: readonly string[],
): ApplyEvent['digests'] {
  return TABLES.flatMap((table) =>
    selectors.map((selector) => {
      const sum = new Digest();
      const hasher = new RowHasher(table);
      for (const { row } of rows.filter((one) => one.table === table && one.row.sel === selector)) {
        const cells = table.columns.map(({ name, kind }) => {
          const text = row[name] ?? null;
          return text === null || kind === 'text' ? text : Number(text);
        });
        sum.add(hasher.hash(cells));
      }
      return { table: table.name, selector, digest: sum.hex, rows: sum.rows };
    }),
  );
}
