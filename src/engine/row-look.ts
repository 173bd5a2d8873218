/**
 * Where is my row? What Postgres has under a key, which selector that gives, which transactions of the log changed it,
 * and who was sent it. For people: it looks through a bounded part of the log, the newest first.
 */
import type { ReaderView } from '../coordinator/picture.ts';
import { messageOf, TidelockError } from '../core/errors.ts';
import { formatLsn, parseLsn, type Ts } from '../core/lsn.ts';
import { EVERYONE } from '../core/selector.ts';
import { evaluateSelector } from '../core/selector-expression.ts';
import { keyPositions, type TableDef } from '../core/table.ts';
import { cellFromText, cellToJson, type JsonCell } from '../core/value.ts';
import type { LogStore } from '../log/port.ts';
import { probeRow } from '../postgres/row-probe.ts';
import type {
  ExplainedChange,
  ExplainedReader,
  Explanation,
  Verdict,
} from '../protocol/dashboard.ts';
import type { Clock } from './clock.ts';
import { fields } from './log-change.ts';
import { frontOf, type StoredLine, storedLines } from './log-lines.ts';
import { LogWalk } from './log-walk.ts';

const LOOK_BYTES_MAX = 128 * 1024 * 1024;
const CHANGES_MAX = 20;

export type RowLookParts = {
  readonly store: LogStore;
  readonly clock: Clock;
  readonly url: string;
  readonly tables: () => readonly TableDef[];
  /** Connected readers of these selectors, with how long they have lacked something. */
  readonly readersOf: (
    selectors: readonly string[],
  ) => readonly (ReaderView & { readonly lagS: number })[];
};

export type RowRequest = {
  readonly table: string;
  /** Texts, in the order of the key's columns. */
  readonly key: readonly string[];
  /** Of a replica that is asked about; empty: of nobody in particular. */
  readonly selectors: readonly string[];
};

/** Throws `BAD_REQUEST` for a table that is not replicated or a key of another length. */
export async function explainRow(
  parts: RowLookParts,
  request: RowRequest,
  signal: AbortSignal,
): Promise<Explanation> {
  const table = tableOf(parts, request);
  requireNumbers(table, request.key);
  const postgres = await inPostgres(parts, table, request.key);
  const walk = new LogWalk({ ...parts, bytesMax: LOOK_BYTES_MAX, signal });
  const history = await historyOf(parts, { table, walk, key: request.key });
  const rule = table.selector.kind === 'everyone' ? 'everyone' : table.selector.text;
  const selector = postgres.kind === 'row' ? postgres.selector : undefined;
  const touched = [...new Set([selector ?? '', ...history.map((change) => change.selector)])];
  const readers = readersOf(
    parts,
    touched.filter((one) => one !== ''),
    history[0],
  );
  const [newest] = history;
  return {
    ...{
      table: table.name,
      rule,
      isTwoWay: table.twoway !== undefined,
      postgres,
      history,
      readers,
    },
    key: table.key.map((name, at) => [name, request.key[at] ?? '']),
    looked: walk.looked,
    verdict: verdictOf({ postgres, selectors: request.selectors, newest, rule, walk }),
  };
}

function tableOf(parts: RowLookParts, { table: asked, key }: RowRequest): TableDef {
  const tables = parts.tables();
  const table = tables.find(({ name }) => name === asked || name === `public.${asked}`);
  if (table !== undefined && table.key.length === key.length) return table;
  throw new TidelockError({
    code: 'BAD_REQUEST',
    message:
      table === undefined
        ? `${JSON.stringify(asked.slice(0, 100))} is not a replicated table`
        : `the key of ${table.name} has ${table.key.length} columns: ${table.key.join(', ')}`,
    hint: 'the tables and their keys are at /v1/tables; the status tells why one is not replicated',
  });
}

/** Postgres says so too, but it may be away. */
function requireNumbers(table: TableDef, key: readonly string[]): void {
  const wrong = keyPositions(table).find((position, at) => {
    const kind = table.columns[position]?.kind;
    return (kind === 'int' || kind === 'bigint') && !/^-?\d{1,20}$/.test(key[at] ?? '');
  });
  if (wrong === undefined) return;
  throw new TidelockError({
    code: 'BAD_REQUEST',
    message: `the key's column ${table.columns[wrong]?.name} is a whole number`,
    hint: `the key of ${table.name} is ${table.key.join(', ')}`,
  });
}

async function inPostgres(
  { url }: RowLookParts,
  table: TableDef,
  key: readonly string[],
): Promise<Explanation['postgres']> {
  try {
    const row = await probeRow(url, table, key);
    if (row === null) return { kind: 'none' };
    const selector = selectorOf(table, row);
    const values = table.columns.map(({ name, kind }): JsonCell => {
      const text = row.get(name) ?? null;
      if (text === null) return null;
      return kind === 'bool'
        ? text === 'true' || text === 't'
        : cellToJson(kind, cellFromText(kind, text));
    });
    return {
      ...{ kind: 'row', row: fields(table, values) },
      ...(selector === null ? {} : { selector }),
    };
  } catch (error) {
    if (error instanceof TidelockError && error.code === 'BAD_REQUEST') throw error;
    return { kind: 'unknown', reason: messageOf(error) };
  }
}

/** A cast to text prints booleans in full; the stream, and so every rule, sees one letter. */
function selectorOf(table: TableDef, row: ReadonlyMap<string, string | null>): string | null {
  if (table.selector.kind === 'everyone') return EVERYONE;
  const kinds = new Map(table.columns.map(({ name, kind }) => [name, kind]));
  return evaluateSelector(table.selector.expression, (name) => {
    const text = row.get(name) ?? null;
    return text !== null && kinds.get(name) === 'bool' ? text.slice(0, 1) : text;
  });
}

async function historyOf(
  { store }: RowLookParts,
  look: { readonly table: TableDef; readonly walk: LogWalk; readonly key: readonly string[] },
): Promise<readonly ExplainedChange[]> {
  const { table, walk, key } = look;
  const isOfRow = rowTest(table, key);
  const history: ExplainedChange[] = [];
  for await (const group of walk.older(store.upper)) {
    const found: ExplainedChange[] = [];
    for (const line of storedLines(group)) {
      const { ts, txid, micros } = line.transaction;
      if (ts <= store.since || !isOfRow(line)) continue;
      const { op } = frontOf(line);
      found.push({ ts: formatLsn(ts), txid, atMs: micros / 1000, op, selector: line.selector });
    }
    history.push(...found.reverse());
    if (history.length >= CHANGES_MAX) break;
  }
  return history.slice(0, CHANGES_MAX);
}

/** True for lines that change the row, or all rows of its table. Most lines are told apart without being parsed. */
function rowTest(table: TableDef, key: readonly string[]): (line: StoredLine) => boolean {
  const positions = keyPositions(table);
  const wanted = positions.map((position, at) => {
    const kind = table.columns[position]?.kind ?? 'text';
    const text = key[at] ?? '';
    return kind === 'bool' ? text : cellToJson(kind, cellFromText(kind, text));
  });
  const needles = wanted.map((value) => Buffer.from(JSON.stringify(value)));
  const isKey = (values: readonly (JsonCell | undefined)[] | undefined): boolean =>
    values !== undefined && wanted.every((value, at) => `${values[at]}` === `${value}`);
  return (line) => {
    const { op, table: name } = frontOf(line);
    if (name !== table.name) return false;
    if (op === 'truncate' || op === 'resync' || op === 'drop') return true;
    if (op === 'table' || !needles.every((needle) => line.bytes.includes(needle))) return false;
    const content = JSON.parse(line.bytes.toString('utf8')) as {
      readonly row?: readonly JsonCell[];
      readonly cols?: readonly number[];
      readonly key?: readonly JsonCell[];
    };
    const { row, cols } = content;
    const place = (position: number): number => cols?.indexOf(position) ?? position;
    return isKey(content.key) || isKey(row && positions.map((position) => row[place(position)]));
  };
}

function readersOf(
  { readersOf: connected, store }: RowLookParts,
  selectors: readonly string[],
  newest: ExplainedChange | undefined,
): readonly ExplainedReader[] {
  const last = newest === undefined ? 0 : parseLsn(newest.ts, 'ts');
  return connected(selectors).map(({ replica, id, position, isWaiting, lagS, selectors: own }) => ({
    replica: replica ?? `reader ${id}`,
    ts: formatLsn(position),
    lagBytes: isWaiting ? 0 : Math.max(0, store.upper - position),
    lagS: isWaiting ? 0 : lagS,
    isWanted: selectors.includes(EVERYONE) || own.some((one) => selectors.includes(one)),
    isDelivered: isWaiting || position >= (last as Ts),
  }));
}

type Facts = {
  readonly postgres: Explanation['postgres'];
  readonly selectors: readonly string[];
  readonly newest: ExplainedChange | undefined;
  readonly rule: string;
  readonly walk: LogWalk;
};

function verdictOf(facts: Facts): Verdict {
  const { postgres, selectors, newest, walk } = facts;
  const log = lastChange(newest, walk);
  if (postgres.kind === 'unknown') {
    return {
      kind: 'unknown',
      sentences: [`Postgres could not be asked: ${postgres.reason}.`, log],
    };
  }
  if (postgres.kind === 'none') {
    return { kind: 'out', sentences: ['Postgres has no row with this key now.', log] };
  }
  const { selector } = postgres;
  const rule = `The rule of the table is ${facts.rule}.`;
  if (selector === undefined) {
    return {
      kind: 'out',
      sentences: [`${rule} It gives this row no selector, so the row reaches nobody.`, log],
    };
  }
  if (newest !== undefined && newest.op !== 'delete' && newest.selector !== selector) {
    const pending = `Postgres has the row under ${selector}, the log has it under ${newest.selector} still: the change is on its way.`;
    return { kind: 'pending', sentences: [rule, pending, log] };
  }
  if (selector === EVERYONE) {
    return { kind: 'in', sentences: [`${rule} The row is for everybody.`, log] };
  }
  const given = `${rule} It gives this row the selector ${selector}.`;
  if (selectors.length === 0)
    return { kind: 'in', sentences: [`${given} Replicas of it have the row.`, log] };
  return selectors.includes(selector)
    ? { kind: 'in', sentences: [`${given} The replica reads it, so it has the row.`, log] }
    : { kind: 'out', sentences: [`${given} The replica reads ${selectors.join(', ')} only.`, log] };
}

function lastChange(newest: ExplainedChange | undefined, walk: LogWalk): string {
  if (newest !== undefined) {
    return `The last change that the log has is the ${newest.op} at ${newest.ts} (transaction ${newest.txid}), under ${newest.selector}.`;
  }
  const part = walk.looked.isComplete ? 'The log' : `The log from ${walk.looked.from} on`;
  return `${part} has no change of it: what is older came to replicas with their first copy.`;
}
