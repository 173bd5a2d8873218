/**
 * The definitions at the head of a feed: what the server replicates as of the opening. The replica's own
 * definitions are as of its position, which may be long before, so the two are compared only when it has
 * caught up, and without the tables that the feed itself changed on the way.
 */
import type { TableDef } from '../core/table.ts';
import { type ChangeDecoder, malformed, parseTable } from '../protocol/change-decoder.ts';
import type { RawLine } from '../protocol/lines.ts';

export type HeadDifference = { readonly table: string; readonly reason: string };

export class FeedHead {
  readonly #tables = new Map<string, TableDef>();
  readonly #changed = new Set<string>();
  #left: number;

  constructor(hello: RawLine) {
    if (typeof hello.tables !== 'number') {
      throw malformed(hello, 'it does not say how many tables follow');
    }
    this.#left = hello.tables;
  }

  /** False when the line belongs to a transaction. Throws `PROTOCOL` when the head is not over yet. */
  take(line: RawLine): boolean {
    if (this.#left === 0) {
      if (line.type === 'table' || line.type === 'drop') this.#changed.add(nameOf(line));
      return false;
    }
    if (line.type !== 'table') throw malformed(line, 'it stands among the definitions of the head');
    this.#left -= 1;
    const table = parseTable(line);
    this.#tables.set(table.name, table);
    return true;
  }

  /** What the server has otherwise than the replica, once; null when they agree. */
  compare(decoder: ChangeDecoder): HeadDifference | null {
    if (this.#tables.size === 0) return null;
    const other = [...this.#tables.values()].find(
      (table) => !decoder.knows(table) && !this.#changed.has(table.name),
    );
    const gone = decoder.names.find((name) => !this.#tables.has(name) && !this.#changed.has(name));
    this.#tables.clear();
    if (other !== undefined) {
      return { table: other.name, reason: 'its definition here is not the one at the server' };
    }
    return gone === undefined
      ? null
      : { table: gone, reason: 'the server replicates it no longer' };
  }
}

function nameOf(line: RawLine): string {
  const table = line.table as string | { readonly name?: unknown } | null | undefined;
  return typeof table === 'string' ? table : String(table?.name);
}
