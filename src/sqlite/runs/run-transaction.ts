/**
 * One write transaction of a run database: gives out sequence numbers, writes rows and events, and at the end the
 * roll-ups, the counts of runs and the mark of the commit, so that nobody ever sees one without the others.
 */
import { type Counts, recount } from '../../planner/rollup.ts';
import type { EventRow, StatePair } from '../../planner/rows.ts';
import { type RunTable, type RunTableName, runTable, sqlName } from '../../planner/run-tables.ts';
import { type Fields, type Statements, toSql } from './run-values.ts';

export type NewEvent = Pick<
  EventRow,
  'kind' | 'runId' | 'testId' | 'old' | 'new' | 'cause' | 'isForced'
> & { readonly at?: number | undefined };

export type TransactionParts = {
  readonly statements: Statements;
  readonly area: string;
  readonly actor: string;
  readonly at: number;
  /** The last one that was given out. */
  readonly seq: number;
};

export class RunTransaction {
  readonly statements: Statements;
  readonly area: string;
  readonly actor: string;
  readonly at: number;
  #seq: number;
  readonly #counts = new Map<number, Counts>();
  readonly #toplevels = new Map<string, { readonly runId: number; readonly name: string }>();

  constructor(parts: TransactionParts) {
    this.statements = parts.statements;
    this.area = parts.area;
    this.actor = parts.actor;
    this.at = parts.at;
    this.#seq = parts.seq;
  }

  get seq(): number {
    return this.#seq;
  }

  next(): number {
    this.#seq += 1;
    return this.#seq;
  }

  /** Gives the row's id. Fields that are not named are null. */
  insert(name: RunTableName, fields: Fields): number {
    const table = runTable(name);
    const row: Fields = { area: this.area, seq: this.next(), ...fields };
    const columns = table.columns.filter(({ field }) => field in row);
    const names = columns.map(({ field }) => sqlName(field)).join(', ');
    const places = columns.map(() => '?').join(', ');
    const values = columns.map((column) => toSql(column, row[column.field]));
    const text = `INSERT INTO ${name} (${names}) VALUES (${places})`;
    return Number(this.statements.get(text).run(...values).lastInsertRowid);
  }

  /** False when there is no such row. */
  update(name: RunTableName, id: number | string, fields: Fields): boolean {
    const table = runTable(name);
    const row: Fields = { ...fields, seq: this.next() };
    const columns = table.columns.filter(({ field }) => row[field] !== undefined);
    const sets = columns.map(({ field }) => `${sqlName(field)} = ?`).join(', ');
    const values = columns.map((column) => toSql(column, row[column.field]));
    const text = `UPDATE ${name} SET ${sets} WHERE ${table.key} = ?`;
    return this.statements.run(text, ...values, id) > 0;
  }

  remove(name: RunTableName, id: number | string): void {
    const table = runTable(name);
    if (this.statements.run(`DELETE FROM ${name} WHERE ${table.key} = ?`, id) === 0) return;
    this.statements.run('INSERT INTO removed VALUES (?, ?, ?)', this.next(), name, id);
  }

  event(event: NewEvent): void {
    this.insert('events', { ...event, at: event.at ?? this.at, actor: this.actor });
  }

  /** The first row that `rest` finds. */
  one(
    table: RunTable,
    rest: string,
    ...values: readonly (string | number | null)[]
  ): Fields | null {
    return this.statements.rows(table, rest, ...values)[0] ?? null;
  }

  /** A leaf execution of a run moved; null: it comes or goes. */
  count(runId: number, from: StatePair | null, to: StatePair | null): void {
    recount(this.#countsOf(runId), from, to);
  }

  /** The roll-up of a test's items is due. */
  touch(runId: number, name: string): void {
    this.#toplevels.set(`${runId}/${name}`, { runId, name });
  }

  /** Toplevels whose items changed; each once. */
  takeTouched(): readonly { readonly runId: number; readonly name: string }[] {
    const touched = [...this.#toplevels.values()];
    this.#toplevels.clear();
    return touched;
  }

  /** Writes what was kept back. The last act of the transaction. */
  finish(seqBefore: number): void {
    for (const [runId, counts] of this.#counts) this.update('runs', runId, { counts });
    if (this.#seq === seqBefore) return;
    this.statements.run("UPDATE meta SET value = ? WHERE name = 'seq'", String(this.#seq));
    this.statements.run('INSERT INTO commits VALUES (?, ?)', this.#seq, this.at);
  }

  #countsOf(runId: number): Counts {
    const known = this.#counts.get(runId);
    if (known !== undefined) return known;
    const row = this.statements.first('SELECT counts FROM runs WHERE id = ?', runId);
    const counts = row === null ? {} : (JSON.parse(String(row[0])) as Counts);
    this.#counts.set(runId, counts);
    return counts;
  }
}
