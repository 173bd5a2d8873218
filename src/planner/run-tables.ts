/**
 * The tables of a run database, once: the local database, the durable one, the wire and the engine all derive
 * theirs from here. A column is named like the field of rows.ts.
 */

/** `json` is text in every database. */
export type RunColumnKind = 'int' | 'real' | 'text' | 'bool' | 'json';

export type RunColumn = {
  readonly field: string;
  readonly kind: RunColumnKind;
  readonly isNullable: boolean;
  /** A fact of the home database only (leases): no copy has it. */
  readonly isLocal: boolean;
};

export const RUN_TABLE_NAMES = [
  ...(['runs', 'tests', 'steps', 'data', 'tasks', 'runners', 'events'] as const),
] as const;
export type RunTableName = (typeof RUN_TABLE_NAMES)[number];

export type RunTable = {
  readonly name: RunTableName;
  readonly columns: readonly RunColumn[];
  /** One column names a row. */
  readonly key: string;
  /** Runners are alive or not here and now: no copy has them. */
  readonly isLocal: boolean;
};

/** `text?` may be null; `int!` is a fact of the home database only. */
function table(
  name: RunTableName,
  key: string,
  fields: Readonly<Record<string, string>>,
): RunTable {
  const columns = Object.entries(fields).map(([field, word]) => ({
    field,
    kind: word.replace(/[?!]/g, '') as RunColumnKind,
    isNullable: word.includes('?'),
    isLocal: word.includes('!'),
  }));
  return { name, key, columns, isLocal: name === 'runners' };
}

export const RUN_TABLES: readonly RunTable[] = [
  table('runs', 'id', {
    ...{ id: 'int', area: 'text', target: 'text', name: 'text', state: 'text', isLocked: 'bool' },
    ...{ owner: 'text', createdAt: 'int', endedAt: 'int?', counts: 'json', seq: 'int' },
  }),
  table('tests', 'id', {
    ...{ id: 'int', runId: 'int', area: 'text', name: 'text', itemPath: 'text' },
    ...{ isToplevel: 'bool', state: 'text', status: 'text', comment: 'text', attempt: 'int' },
    ...{ host: 'text?', runDir: 'text?', log: 'text?', startedAt: 'int?', endedAt: 'int?' },
    ...{ cpuMs: 'int?', rssMaxBytes: 'int?', exitCode: 'int?', configHash: 'text?' },
    ...{ isStale: 'bool', seq: 'int' },
  }),
  table('steps', 'id', {
    ...{ id: 'int', testId: 'int', area: 'text', name: 'text', state: 'text', status: 'text' },
    ...{ exitCode: 'int?', isMasked: 'bool', log: 'text?', startedAt: 'int', endedAt: 'int?' },
    ...{ comment: 'text', seq: 'int' },
  }),
  table('data', 'id', {
    ...{ id: 'int', testId: 'int', area: 'text', category: 'text', variable: 'text' },
    ...{ value: 'text', expected: 'text', tolerance: 'text', units: 'text', comment: 'text' },
    ...{ status: 'text', type: 'text', seq: 'int' },
  }),
  table('tasks', 'id', {
    ...{ id: 'int', area: 'text', kind: 'text', action: 'text', runId: 'int?', testId: 'int?' },
    ...{ args: 'json', priority: 'int', state: 'text', attempt: 'int', attemptsMax: 'int' },
    ...{ notBefore: 'int', leaseOwner: 'text?', leaseUntil: 'int?!', dedupeKey: 'text?' },
    ...{ createdBy: 'text', createdAt: 'int', startedAt: 'int?', endedAt: 'int?' },
    ...{ result: 'json', parentId: 'int?', seq: 'int' },
  }),
  table('runners', 'id', {
    ...{ id: 'text', area: 'text', host: 'text', pid: 'int', pidStart: 'text', bootId: 'text' },
    ...{ leaseUntil: 'int!', slots: 'int', running: 'int', load: 'real!', seq: 'int' },
  }),
  table('events', 'seq', {
    ...{ seq: 'int', area: 'text', at: 'int', kind: 'text', runId: 'int?', testId: 'int?' },
    ...{ old: 'text?', new: 'text?', actor: 'text', cause: 'text', isForced: 'bool' },
  }),
];

/** Tables that every copy has, in an order in which nothing points ahead. */
export const COPIED_TABLES: readonly RunTable[] = RUN_TABLES.filter(({ isLocal }) => !isLocal);

/** The columns that every copy has. */
export function copiedColumns(table: RunTable): readonly RunColumn[] {
  return table.columns.filter(({ isLocal }) => !isLocal);
}

export function runTable(name: RunTableName): RunTable {
  const found = RUN_TABLES.find((candidate) => candidate.name === name);
  if (found === undefined) throw new RangeError(`no table ${name}`);
  return found;
}

/** `isStale` -> `is_stale`: how a field is named in SQL. */
export function sqlName(field: string): string {
  return field.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/** The columns that say who a row was when it is gone: key and table. */
export type RemovedRow = {
  readonly seq: number;
  readonly table: RunTableName;
  readonly id: number | string;
};
