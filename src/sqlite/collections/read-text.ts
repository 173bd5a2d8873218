/**
 * The text of a read in which the relations are left open: what a relation is depends on the state of its collection, and
 * whoever runs the text fills in what is true in the snapshot that it reads.
 */
import { assert } from '../../core/assert.ts';
import type { ItemId } from '../../sql/types.ts';
import { changesSql, type RelationShape, relationSql } from './relation-sql.ts';
import type { CollectionState } from './versioned.ts';

/** The rows of one collection at one time, or its changes at times of [from, until). */
export type RelationPlace = RelationShape & {
  readonly id: ItemId;
  readonly at: { readonly time: number } | { readonly from: number; readonly until: number };
};

export type ReadText = { readonly text: string; readonly places: readonly RelationPlace[] };

/** What a relation depends on. */
export type ReadState = Pick<CollectionState, 'since' | 'changedAt' | 'hasRepeats'>;

/** SQLite ends a text at its first zero byte: no compiled query has one. */
const MARK = '\0';

/** Collects the places of one text. */
export class Places {
  readonly #places: RelationPlace[] = [];

  /** What stands in the text for a relation. */
  add(place: RelationPlace): string {
    this.#places.push(place);
    return `${MARK}${this.#places.length - 1}${MARK}`;
  }

  read(text: string): ReadText {
    return { text, places: this.#places };
  }
}

/** The text as SQLite takes it; null when a collection is gone, or not readable at its time any more. */
export function resolveRead(
  { text, places }: ReadText,
  stateOf: (place: RelationPlace) => ReadState | null,
): string | null {
  const relations = places.map((place) => {
    const state = stateOf(place);
    return state === null ? null : relationOf(place, state);
  });
  if (relations.includes(null)) return null;
  const parts = text.split(MARK);
  assert(parts.length % 2 === 1, 'every place has two marks');
  return parts.map((part, index) => (index % 2 === 0 ? part : relations[Number(part)])).join('');
}

function relationOf(place: RelationPlace, state: ReadState): string | null {
  const { at } = place;
  if ('time' in at) return at.time < state.since ? null : relationSql(place, state, at.time);
  return at.from <= state.since ? null : changesSql(place, at.from, at.until);
}
