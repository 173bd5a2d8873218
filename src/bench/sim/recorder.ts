/** Turns what a simulated run tells into the evidence that the judge of the stress runs reads. */
import type {
  AppliedEvent,
  CommittedChange,
  Observer,
  SeenEvent,
  SeenRow,
  WrittenTransaction,
} from '../../sim/evidence.ts';
import { ACCOUNTS, TABLES } from '../../sim/tables.ts';
import { hashOf, RowSum } from '../stress/canonical.ts';
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
  SampleEvent,
  StateEvent,
} from '../stress/evidence.ts';
import { keyOf } from '../stress/judge/model.ts';
import { MemoryStreams } from './memory-streams.ts';

export const EVIDENCE_TABLES: readonly EvidenceTable[] = TABLES.map((table) => ({
  name: table.name,
  columns: table.columns.map(({ name, kind }) => ({ name, kind })),
  key: table.key,
  selector: '_change_selector',
  balance: table === ACCOUNTS ? 'balance' : null,
}));

const TABLE_OF: ReadonlyMap<string, EvidenceTable> = new Map(
  EVIDENCE_TABLES.map((table) => [table.name, table]),
);

/** A row in the bench's own form; made once for each row that is ever seen. */
type Known = {
  readonly table: string;
  readonly row: EvidenceRow;
  readonly key: readonly (string | null)[];
  readonly name: string;
  readonly hash: bigint;
};

export class Recorder implements Observer {
  readonly streams = new MemoryStreams();
  readonly #known = new WeakMap<SeenRow, Known>();
  /** Rows of a session's last read, by table and key. */
  readonly #last = new Map<string, ReadonlyMap<string, Known>>();
  #redelivered = 0;

  written(
    { t, tx, txid, changes }: WrittenTransaction,
    { isCommitted }: { readonly isCommitted: boolean },
  ): void {
    const process = 'writer';
    const invoke: OpEvent = {
      ...{ t, process, tx, kind: 'invoke', grp: 0, txid, isDoomed: !isCommitted, isEnd: false },
      changes: changes.map(opChange),
    };
    this.#add('op', invoke);
    const end: OpEvent = isCommitted
      ? { t, process, tx, kind: 'ok', ms: 0 }
      : { t, process, tx, kind: 'fail', reason: 'it was rolled back' };
    this.#add('op', end);
  }

  committed(
    event: WrittenTransaction & { readonly ts: string; readonly committedAt: number },
  ): void {
    const { t, ts, txid, committedAt, changes } = event;
    const oracle: OracleEvent = { t, ts, txid, committedAt, changes };
    this.#add('oracle', oracle);
  }

  applied(event: AppliedEvent): void {
    const apply: ApplyEvent = event;
    this.#add('apply', apply);
  }

  seen({ rows, ...event }: SeenEvent): void {
    const sum = new RowSum();
    const sums = new Map<string, bigint>();
    const now = new Map<string, Known>();
    for (const seen of rows) {
      const known = this.#knownOf(seen);
      sum.add(known.hash);
      now.set(known.name, known);
      if (seen.table !== ACCOUNTS.name) continue;
      const selector = known.row._change_selector ?? '';
      sums.set(selector, (sums.get(selector) ?? 0n) + BigInt(known.row.balance ?? '0'));
    }
    const read: ReadEvent = {
      ...event,
      ...{ digest: sum.digest, rows: sum.rows },
      sums: Object.fromEntries([...sums].map(([selector, value]) => [selector, `${value}`])),
      delta: this.#delta(`${event.replica} ${event.session}`, now),
    };
    this.#add('read', read);
  }

  fault(event: { t: number; id: string; fault: string; target: string }): void {
    const start: FaultEvent = { ...event, kind: 'start', parameters: {} };
    this.#add('fault', start);
  }

  effect({ t, id, effect }: { t: number; id: string; effect: string }): void {
    const seen: FaultEvent = { t, id, kind: 'effect', effect, fault: '', target: '' };
    this.#add('fault', seen);
  }

  mended({ t, id }: { t: number; id: string }): void {
    const end: FaultEvent = { t, id, kind: 'end', ok: true, ms: 0, fault: '', target: '' };
    this.#add('fault', end);
  }

  state(event: { t: number; process: string; state: string; note: string }): void {
    const state: StateEvent = event;
    this.#add('state', state);
  }

  killed({ t, process }: { t: number; process: string }): void {
    const exit: ProcEvent = {
      ...{ t, process, pid: 0, kind: 'exit', code: null, signal: 'SIGKILL', isExpected: true },
    };
    this.#add('proc', exit);
  }

  redelivered({ t, count }: { t: number; count: number }): void {
    this.#redelivered += count;
    const sample: SampleEvent = {
      ...{ t, committed: 0, rows: 0, lag: {}, windows: {}, rss: {}, cpu: {} },
      redelivered: this.#redelivered,
    };
    this.#add('sample', sample);
  }

  #add(name: Parameters<MemoryStreams['add']>[0], event: object): void {
    this.streams.add(name, event);
  }

  #knownOf(seen: SeenRow): Known {
    const before = this.#known.get(seen);
    if (before !== undefined) return before;
    const table = TABLE_OF.get(seen.table);
    if (table === undefined) throw new Error(`a replica has a table ${seen.table}`);
    const row = Object.fromEntries(
      seen.columns.map((name, column) => {
        const cell = seen.cells[column] ?? null;
        return [name, cell === null ? null : String(cell)];
      }),
    );
    const key = table.key.map((column) => row[column] ?? null);
    const name = JSON.stringify([seen.table, ...key]);
    const known = { table: seen.table, row, key, name, hash: hashOf(seen.table, row) };
    this.#known.set(seen, known);
    return known;
  }

  #delta(session: string, now: ReadonlyMap<string, Known>): NonNullable<ReadEvent['delta']> {
    const before = this.#last.get(session) ?? new Map<string, Known>();
    this.#last.set(session, now);
    const changed = [...now].filter(([name, { hash }]) => before.get(name)?.hash !== hash);
    const gone = [...before].filter(([name]) => !now.has(name));
    return [
      ...changed.map(([, { table, key, row }]) => ({ table, key, row })),
      ...gone.map(([, { table, key }]) => ({ table, key, row: null })),
    ];
  }
}

function opChange({ table, op, old, row }: CommittedChange): OpChange {
  const known = TABLE_OF.get(table);
  if (known === undefined) throw new Error(`there is no table ${table}`);
  const key = keyOf(known, row ?? old ?? {});
  // A writer's log has no word for these; they leave no row, as a delete does.
  const isOfTable = op === 'truncate' || op === 'alter';
  return { table, op: isOfTable ? 'delete' : op, key, row };
}
