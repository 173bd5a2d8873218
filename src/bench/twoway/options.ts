/** Sizes, kinds of work, and who owns which database. */

export const SCALES = {
  small: { rows: 1000, iterations: 5, databases: 2 },
  medium: { rows: 10_000, iterations: 10, databases: 4 },
  large: { rows: 100_000, iterations: 50, databases: 4 },
} as const;
export type ScaleName = keyof typeof SCALES;

/**
 * `cycle`: each database writes rows of its own, and updates and deletes all that it sees. `conflict`: all write the
 * same rows and columns, and delete and re-insert each other's.
 */
export const WORKLOADS = ['cycle', 'conflict'] as const;
export type Workload = (typeof WORKLOADS)[number];

export const FAULT_LEVELS = ['none', 'mild', 'harsh'] as const;
export type FaultLevel = (typeof FAULT_LEVELS)[number];

/** Rows that the conflict workload is about, unless they are counted: few, so that all meet on them. */
export const CONFLICT_ROWS = 60;

export type Size = {
  /** Inserted per iteration by each database; with `conflict`, the number of shared keys. */
  readonly rows: number;
  readonly iterations: number;
  readonly databases: number;
};

/** Two databases for each user. */
const DATABASES_PER_USER = 2;

/** The user of a database; databases count from 1. */
export function userOf(database: number): number {
  return Math.ceil(database / DATABASES_PER_USER);
}

export function userId(user: number): string {
  return `user-${user}`;
}

/** At least two: with one database or two, a stranger has rows as well. */
export function usersOf(databases: number): readonly number[] {
  return Array.from({ length: Math.max(2, userOf(databases)) }, (_, index) => index + 1);
}
