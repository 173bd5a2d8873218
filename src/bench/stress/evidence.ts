/**
 * What a stress run leaves behind: one folder of JSON Lines streams that the judge reads, and nothing else. A
 * run can be judged again later, by a better judge. The side that runs writes these; the side that
 * judges reads them; neither imports the other.
 *
 * Positions are text (`0/16B3748`): the end of a commit. `t` is milliseconds since the run began, by one
 * clock of the machine. Rows are objects by column, values as the bench's own canonical text (see canonical.ts).
 */
import type { ErrorCode } from '../../core/errors.ts';

/** File names inside the run's folder. */
export const STREAMS = {
  op: 'op.jsonl',
  oracle: 'oracle.jsonl',
  apply: 'apply.jsonl',
  read: 'read.jsonl',
  fault: 'fault.jsonl',
  state: 'state.jsonl',
  proc: 'proc.jsonl',
  sample: 'sample.jsonl',
} as const;
export type StreamName = keyof typeof STREAMS;
export const RUN_FILE = 'run.json';
export const VERDICT_FILE = 'verdict.json';
export const REPORT_FILE = 'report.html';

type At = { readonly t: number };

/** A table of the run, so that the judge need not ask a database. */
export type EvidenceTable = {
  /** `schema.table`, unquoted. */
  readonly name: string;
  /** In the table's order. `kind` is what the protocol calls it. */
  readonly columns: readonly { readonly name: string; readonly kind: ColumnKind }[];
  readonly key: readonly string[];
  /** The column whose text is the selector; null: the rows go to every replica, as selector `*`. */
  readonly selector: string | null;
  /** The column whose sum over all rows never changes once it was made; null when there is none. */
  readonly balance: string | null;
};
export type ColumnKind = 'int' | 'bigint' | 'float' | 'bool' | 'bytes' | 'timestamptz' | 'text';

/**
 * Column -> canonical text, null for NULL. In oracle events a column may be missing: an unchanged large
 * value that the old row does not carry either.
 */
export type EvidenceRow = Readonly<Record<string, string | null>>;

/** What one writer did to one row. Written before it is sent, so that nothing committed is unknown. */
export type OpChange = {
  readonly table: string;
  readonly op: 'insert' | 'update' | 'delete';
  readonly key: string;
  /** The whole row afterwards; null for a delete. */
  readonly row: EvidenceRow | null;
};

/** A writer's transaction. `info`: the connection broke at COMMIT; resolved later by `ok` or `fail`. */
export type OpEvent = At & {
  readonly process: string;
  /** Unique in the run: `sender-1/17`. */
  readonly tx: string;
} & (
    | {
        readonly kind: 'invoke';
        readonly grp: number;
        /** 64 bits with epoch, as `pg_current_xact_id()` said inside the transaction; null if it never got one. */
        readonly txid: string | null;
        readonly changes: readonly OpChange[];
        /** True when the writer means to roll it back. */
        readonly isDoomed: boolean;
        /** True for the group's "end" record. */
        readonly isEnd: boolean;
      }
    | { readonly kind: 'ok'; readonly ms: number }
    | { readonly kind: 'fail'; readonly reason: string }
    | { readonly kind: 'info'; readonly reason: string }
  );

/** A committed transaction, in commit order, as the independent slot (test_decoding) tells it. */
export type OracleEvent = At & {
  readonly ts: string;
  readonly txid: string;
  /** Commit time, milliseconds since the run began. */
  readonly committedAt: number;
  readonly changes: readonly {
    readonly table: string;
    /** `alter`: the table's layout changed; the rows that it changed follow as updates. */
    readonly op: 'insert' | 'update' | 'delete' | 'truncate' | 'alter';
    /** The old row (or what the identity gives of it) for updates and deletes. */
    readonly old: EvidenceRow | null;
    readonly row: EvidenceRow | null;
    /** Of `alter`: the columns from there on. */
    readonly columns?: EvidenceTable['columns'] | undefined;
  }[];
};

/** One local transaction of a replica, or a copy that replaced its content. */
export type ApplyEvent = At & {
  /** The replica; its process may have had several lives. */
  readonly replica: string;
  readonly life: number;
  readonly selectors: readonly string[];
  readonly kind: 'snapshot' | 'difference' | 'apply';
  readonly ts: string;
  readonly changes: number;
  /** What the replica itself says its digests are, by table; empty when it keeps none. */
  readonly digests: readonly {
    readonly table: string;
    readonly selector: string;
    readonly digest: string;
    readonly rows: number;
  }[];
};

/** What a second, reading connection saw in one read transaction: a full scan by the bench's own code. */
export type ReadEvent = At & {
  readonly replica: string;
  readonly life: number;
  /** Reads of one session may not go back. */
  readonly session: number;
  readonly selectors: readonly string[];
  readonly ts: string;
  /** Over all tables and the replica's selectors together: the bench's own additive digest (see canonical.ts). */
  readonly digest: string;
  readonly rows: number;
  /** Sum of all balances, by selector. */
  readonly sums: Readonly<Record<string, string>>;
  /**
   * How the rows differ from those of the session's previous read (at its first: from nothing): what makes a
   * witness of rows possible. `key`: the key columns' texts; `row` null: it is gone.
   */
  readonly delta?: readonly {
    readonly table: string;
    readonly key: readonly (string | null)[];
    readonly row: EvidenceRow | null;
  }[];
};

export type FaultEvent = At & {
  /** Unique in the run. */
  readonly id: string;
  /** `kill-postgres`, `cut-walsender`, `kill-server`, `freeze-receiver` ... */
  readonly fault: string;
  readonly target: string;
} & (
    | { readonly kind: 'start'; readonly parameters: Readonly<Record<string, string | number>> }
    /** What was SEEN of it. A fault without one is "not exercised". */
    | { readonly kind: 'effect'; readonly effect: string }
    /** Everything was as before; `ok` false when that did not come in time. */
    | { readonly kind: 'end'; readonly ok: boolean; readonly ms: number }
  );

export type StateEvent = At & {
  readonly process: string;
  readonly state: string;
  readonly note?: string;
};

export type ProcEvent = At & {
  readonly process: string;
  readonly pid: number;
} & (
    | { readonly kind: 'start'; readonly command: string }
    | {
        readonly kind: 'exit';
        readonly code: number | null;
        readonly signal: string | null;
        readonly isExpected: boolean;
      }
  );

/** Once a second: for the plots. Absent numbers were not known. */
export type SampleEvent = At & {
  readonly committed: number;
  readonly rows: number;
  /** Bytes between Postgres' end and the replica's position, by replica. */
  readonly lag: Readonly<Record<string, number>>;
  /** Unacknowledged groups, by sender. */
  readonly windows: Readonly<Record<string, number>>;
  /** Resident megabytes and CPU seconds, by process. */
  readonly rss: Readonly<Record<string, number>>;
  readonly cpu: Readonly<Record<string, number>>;
  /** Transactions that Postgres delivered again, as the server of that moment counts them. */
  readonly redelivered?: number;
};

/** What ended a run early, as its command says it. */
export type RunError = {
  readonly code: ErrorCode;
  readonly message: string;
  readonly hint: string;
};

/** What was to be run, and how it ended. Written at the start, completed at the end. */
export type RunFile = {
  readonly format: 1;
  readonly id: string;
  readonly startedAt: string;
  readonly seed: number;
  readonly protocol: 'native' | 'transicator';
  readonly options: Readonly<Record<string, string | number | boolean | readonly string[]>>;
  /** The fault plan as drawn from the seed. */
  readonly plan: readonly {
    readonly atMs: number;
    readonly fault: string;
    readonly target: string;
  }[];
  readonly versions: Readonly<Record<string, string>>;
  readonly tables: readonly EvidenceTable[];
  readonly replicas: readonly {
    readonly replica: string;
    readonly selectors: readonly string[];
    readonly file: string;
  }[];
  /** A planted bug, when this run has one. */
  readonly bug: string | null;
  readonly end: null | {
    readonly durationMs: number;
    /** Everything committed lies at or before it; writers had stopped. */
    readonly position: string;
    /** How the run ended: `quiet` = every replica reached `position`. */
    readonly how: 'quiet' | 'stuck' | 'interrupted' | 'failed';
    readonly reason: string | null;
    /** Of `stuck` and `failed`; runs of earlier programs have none. */
    readonly error?: RunError | null;
    /** The final full comparison, every column, Postgres against SQLite: made by the running side with plain SQL. */
    readonly comparison: readonly {
      readonly replica: string;
      readonly rows: number;
      readonly differences: readonly string[];
    }[];
  };
};

/** One property's verdict. `not exercised`: the case never happened, which is not a pass. */
export type Verdict = {
  /** `P1` .. `P31`. */
  readonly property: string;
  readonly title: string;
  readonly verdict: 'pass' | 'fail' | 'not exercised';
  /** How many events were looked at. */
  readonly checked: number;
  /** The first bad event in a sentence, then the rows. */
  readonly witness: readonly string[];
};

export type VerdictFile = {
  readonly verdict: 'PASS' | 'FAIL';
  readonly properties: readonly Verdict[];
  readonly faults: readonly {
    readonly fault: string;
    readonly times: number;
    readonly effects: number;
  }[];
  /** Milliseconds from commit to a replica's commit: p50, p90, p99, max over everything outside fault periods. */
  readonly latency: {
    readonly samples: number;
    readonly p50: number;
    readonly p90: number;
    readonly p99: number;
    readonly max: number;
    /** Samples up to and including `upToMs` and above the previous bound. */
    readonly histogram: readonly { readonly upToMs: number; readonly count: number }[];
  };
  readonly rowsPerSecond: number;
  /** CPU milliseconds of the server per row. */
  readonly cpuPerRowMs: number | null;
};
