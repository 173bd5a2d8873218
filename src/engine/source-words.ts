/** What is said about the source, to the operator and in /v1/status. */
import { messageOf, TidelockError } from '../core/errors.ts';
import type { SlotWait } from '../postgres/slot.ts';
import type { TableDescription } from '../postgres/table-fitness.ts';
import type { TableState } from './api.ts';

/** The error that ends a start: only an operator can mend it. */
export function toUnfitSource(error: unknown): TidelockError {
  if (error instanceof TidelockError) return error;
  return new TidelockError({ code: 'SOURCE_UNFIT', message: messageOf(error), cause: error });
}

/** A table that nobody reads for now, with the reason; nothing for any other. */
export function toHeld(one: TableDescription): readonly (readonly [string, string])[] {
  if (one.kind !== 'table' || one.held === undefined) return [];
  return [[one.name, `${one.held.reason}; ${one.held.remedy}`]];
}

export function heldTable(name: string, reason: string): string {
  return `table ${name} is held: nobody reads it and writes of replicas wait, because ${reason}`;
}

/** The state of a table that cannot be replicated as declared; nothing for one that can. */
export function toUnfit(one: TableDescription): readonly TableState[] {
  if (one.kind === 'table') return [];
  const reason = one.kind === 'missing' ? 'there is no such table' : `${one.reason}; ${one.remedy}`;
  return [{ name: one.name, state: 'unfit', reason }];
}

/** Who keeps a new slot from being created. */
export function waitingFor(waits: readonly SlotWait[]): string {
  const who = waits.map(
    ({ pid, applicationName, ageS }) => `process ${pid} (${applicationName}, open for ${ageS} s)`,
  );
  return `the slot waits for transactions that are still open: ${who.join(', ')}`;
}

/** The server changed tables of the operator's: said whenever it did. */
export function givenFull(names: readonly string[]): string {
  return `REPLICA IDENTITY FULL was set on ${names.join(', ')}: updates and deletes bring the whole old row`;
}

export function withoutTriggers(reason: string): string {
  return `schema changes are noticed late: event triggers were refused (${reason})`;
}
