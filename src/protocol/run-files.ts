/** What a server of runs says of files, logs and surroundings of an execution: its answers, for pages. */

/** A line of a log that was looked for. */
export type LogHit = {
  /** Where the line begins; of a very long line, where the looked at part of it does. */
  readonly byte: number;
  /** From 1. */
  readonly line: number;
};

/** A part of a log was looked through: ask on from `byte` and `line` until `isEnd`. */
export type LogFound = {
  readonly hits: readonly LogHit[];
  readonly byte: number;
  readonly line: number;
  readonly isEnd: boolean;
};

/** A place in a log: `line` is the number of the line that holds `byte`. Asked for in steps until `isThere`. */
export type LogPlace = {
  readonly byte: number;
  readonly line: number;
  readonly isThere: boolean;
};

/** Times are milliseconds since 1970. */
export type WorkFile = {
  readonly path: string;
  readonly bytes: number;
  readonly changedAt: number;
};

export type WorkFiles = {
  /** False: its work area is not on this host, or not any more. */
  readonly isHere: boolean;
  readonly files: readonly WorkFile[];
  /** There are more. */
  readonly isCut: boolean;
};

/** Null values: it is not there, or it may not be told. */
export type EnvironmentChange = {
  readonly name: string;
  readonly change: 'added' | 'removed' | 'changed';
  readonly before: string | null;
  readonly after: string | null;
  /** The area's own configuration set it, and nothing makes it look like a secret. */
  readonly isTold: boolean;
};

export type ExecutionFacts = {
  /** The leader of the group of its last step. */
  readonly process: { readonly pid: number; readonly isAlive: boolean } | null;
  /** Those of its configuration; null when it has left no record on this host. */
  readonly steps: readonly string[] | null;
  /** Against another execution; null when one of the two has left no record on this host. */
  readonly environment: readonly EnvironmentChange[] | null;
  /** What was given with `--set-var`, for running it again; by name only when it looks like a secret. */
  readonly setVars: readonly { readonly name: string; readonly value: string | null }[];
};

/** A known failure, as the area's quarantine has it. */
export type QuarantineEntry = {
  readonly pattern: string;
  readonly owner: string;
  /** From this moment on it counts again. */
  readonly until: number;
  readonly reason: string;
};
