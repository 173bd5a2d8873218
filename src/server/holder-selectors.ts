/** What a token's user and claims may read by themselves, from the rules of the tables that are replicated now. */
import { classesOf, type SelectorClass, selectorsOfClaims } from '../core/selector-class.ts';
import type { TableDef } from '../core/table.ts';
import type { OwnSelectors } from './auth.ts';

/** The classes are found anew only when the tables have changed: this is asked for every request. */
export function holderSelectors(tables: () => readonly TableDef[]): OwnSelectors {
  let known: readonly TableDef[] | null = null;
  let classes: readonly SelectorClass[] = [];
  return ({ subject, all }) => {
    const present = tables();
    if (present !== known) classes = classesOf(present.map(({ selector }) => selector));
    known = present;
    return selectorsOfClaims(classes, { userid: subject, claims: all });
  };
}
