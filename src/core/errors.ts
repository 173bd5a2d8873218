/**
 * The one catalogue of expected failures. A code is stable: clients, scripts and documents rely on it.
 * Each entry: HTTP status, and what the code means to the person who meets it.
 */
export const ERROR_CODES = {
  /** A position (`since`, `at`) is not of the form `0/16B3748`. */
  BAD_POSITION: 400,
  /** A query parameter, header or body field is missing, malformed or out of range. */
  BAD_REQUEST: 400,
  /** A selector has a form that no row can have (empty, too long, control characters). */
  BAD_SELECTOR: 400,
  /** The configuration file or a setting is wrong; the server does not start. */
  BAD_CONFIG: 400,
  /** No token, or one that is malformed, expired or signed by someone else. */
  TOKEN_INVALID: 401,
  /** The token is good but does not cover a requested selector or action. */
  TOKEN_FORBIDS: 403,
  /** An upload names a site (a file that writes) that belongs to another user. */
  SITE_TAKEN: 403,
  /** An upload comes from a new file, and its user has as many files that write as one user may have. */
  SITES_FULL: 403,
  /** The file that uploads was copied: both copies wrote under one name. The copy takes a new one by itself. */
  SITE_CLONED: 409,
  /** An upload leaves out transactions that the server does not have. */
  UPLOAD_GAP: 409,
  /** The file is of another history, or older than the deletes that are still known: it is refreshed first, unsent writes stay. */
  RESYNC_FIRST: 409,
  /** No such path. */
  NOT_FOUND: 404,
  /** The path exists, but not with this method. */
  METHOD_NOT_ALLOWED: 405,
  /** The log no longer reaches back to this position: take a new snapshot (the replica does so by itself). */
  TOO_OLD: 410,
  /** The position belongs to another history of the source (new slot, restored or replaced database). */
  TIMELINE_CHANGED: 410,
  /** The body is larger than the limit. */
  TOO_LARGE: 413,
  /** None of the offered formats is acceptable. */
  NOT_ACCEPTABLE: 406,
  /** The server is at one of its limits (streams, snapshots); try again later. */
  BUSY: 503,
  /** The server is draining or not yet started. */
  NOT_READY: 503,
  /** Postgres cannot be reached; what is in the log is still served. */
  SOURCE_DOWN: 503,
  /** Postgres runs with settings or a version with which replication cannot work. */
  SOURCE_UNFIT: 500,
  /** The replication slot is gone or was invalidated: changes were lost to us, a new timeline starts. */
  SLOT_LOST: 500,
  /** Another process uses the replication slot. */
  SLOT_BUSY: 503,
  /** A table cannot be replicated as declared (no primary key, replica identity too narrow, no such column). */
  TABLE_UNFIT: 500,
  /** The policies of a two-way table give no rule who sees its rows: writes to it are kept and tried again. */
  TABLE_HELD: 503,
  /** A table or view lacks a field that a Lockstep stream needs. */
  RELATION_UNFIT: 400,
  /** The change log cannot be written (disk full, I/O error): nothing is acknowledged until it can. */
  LOG_WRITE_FAILED: 503,
  /** A stored group of the log fails its checksum. */
  LOG_CORRUPT: 500,
  /** The log folder is used by another living process. */
  LOG_IN_USE: 409,
  /** The log folder holds something that is not a Tidelock log, or one of a newer format. */
  LOG_UNFIT: 500,
  /** The folder of SQL's rows is used by another process, or is none. */
  SQL_DATA_UNUSABLE: 409,
  /** The replica file is not a Tidelock replica, or of a newer format. */
  REPLICA_UNFIT: 400,
  /** The replica file is being written by another process. */
  REPLICA_IN_USE: 409,
  /** The replica file cannot be written (disk full, I/O error): it keeps its last position and retries. */
  REPLICA_WRITE_FAILED: 503,
  /** The client cannot reach the server, or the connection broke; it tries again. */
  SERVER_UNREACHABLE: 503,
  /** The server sent something that is not the protocol. */
  PROTOCOL: 502,
  /** A wait ended without the awaited event. */
  TIMEOUT: 504,
  /** The embedded Postgres did not start. */
  EMBEDDED_START_FAILED: 500,
  /** The embedded Postgres folder is used by another living process. */
  EMBEDDED_IN_USE: 409,
  /** A statement of SQL is wrong or failed: `details.sqlState` has the SQLSTATE, `details.offset` the place. */
  SQL_FAILED: 400,
  /** An execution cannot change from the state that it is in as asked: look at it again, or force it. */
  BAD_TRANSITION: 409,
  /** The run is locked: its results are neither changed nor removed until it is unlocked. */
  RUN_LOCKED: 409,
  /** No area of tests here: no folder upwards has `area.config` or `megatest.config`. */
  AREA_NOT_FOUND: 404,
  /** A configuration of an area is wrong: `details.file` and `details.line` have the place. */
  AREA_UNFIT: 400,
  /** A run, test or task that was named is not in the database of the area. */
  RUN_NOT_FOUND: 404,
  /** The file of a run database is none, is damaged, of another format or of another area. */
  RUNS_UNUSABLE: 500,
  /** The durable run database cannot be reached: runs go on, what is new waits for it. */
  DURABLE_DOWN: 503,
  /** Another process syncs the run database. */
  SYNC_TAKEN: 409,
  /** A SQLite file would be opened over a network. */
  NETWORK_DISK: 400,
  /** This host is not the area's home, and no server of it answers. */
  OFF_HOME: 409,
  /** More calls wait than the server takes; those that change states go first. */
  OVERLOADED: 429,
  /** What arrived is not what was sent: its digest is another. */
  BAD_FRAME: 400,
  /** A run cannot go on here: no room on a disk, no process to be had. */
  RUN_FAILED: 500,
  /** A bug of ours; the log has the details. */
  INTERNAL: 500,
} as const satisfies Record<string, number>;

export type ErrorCode = keyof typeof ERROR_CODES;

export type TidelockErrorInit = {
  readonly code: ErrorCode;
  /** What happened, in one sentence, with the values that matter. */
  readonly message: string;
  /** What the reader can do about it; an exact command or statement where there is one. */
  readonly hint?: string | undefined;
  /** Machine-readable facts (for example the position at which the log begins). */
  readonly details?: Readonly<Record<string, unknown>> | undefined;
  readonly cause?: unknown;
};

/** An expected failure with a stable code, what happened, and what to do. */
export class TidelockError extends Error {
  readonly code: ErrorCode;
  readonly hint: string | undefined;
  readonly details: Readonly<Record<string, unknown>> | undefined;

  constructor(init: TidelockErrorInit) {
    super(init.message, init.cause === undefined ? undefined : { cause: init.cause });
    this.name = 'TidelockError';
    this.code = init.code;
    this.hint = init.hint;
    this.details = init.details;
  }

  /** HTTP status of this code. */
  get status(): number {
    return ERROR_CODES[this.code];
  }

  /** The body that every route answers with. */
  toJSON(): { error: { code: ErrorCode; message: string; hint?: string; details?: unknown } } {
    return {
      error: {
        code: this.code,
        message: this.message,
        ...(this.hint === undefined ? {} : { hint: this.hint }),
        ...(this.details === undefined ? {} : { details: this.details }),
      },
    };
  }
}

/** True when `error` is ours and carries `code`. */
export function hasCode(error: unknown, code: ErrorCode): error is TidelockError {
  return error instanceof TidelockError && error.code === code;
}

/** The message of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
