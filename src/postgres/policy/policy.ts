/** A row-level security policy's condition, as far as it can be decided from the row and the reader's claims. */
import type { ClaimPart } from '../../core/selector-class.ts';
import type { Condition } from '../../core/selector-condition.ts';

/** `value = claim`: true for the readers whose claim is this value of the row. */
export type ClaimTest = {
  readonly part: ClaimPart;
  readonly value:
    | { readonly kind: 'column'; readonly name: string }
    | { readonly kind: 'constant'; readonly text: string };
};

export type Policy =
  /** Something about the row alone; never `and`, `or`, `not` or `is`. */
  | { readonly kind: 'row'; readonly condition: Condition }
  | { readonly kind: 'claim'; readonly test: ClaimTest }
  | { readonly kind: 'and'; readonly parts: readonly Policy[] }
  | { readonly kind: 'or'; readonly parts: readonly Policy[] }
  | { readonly kind: 'not'; readonly of: Policy }
  | { readonly kind: 'is'; readonly of: Policy; readonly value: boolean | null };

/** Thrown inside the compiler, and told by it: why a part of a policy cannot be compiled. */
export class Uncompilable extends Error {}

/** What the compiler must know of a column. */
export type PolicyColumn = {
  readonly name: string;
  /** As Postgres names it. */
  readonly type: string;
  /** The type without domains. */
  readonly baseOid: number;
  /** False where equal texts need not have equal bytes. */
  readonly isDeterministic: boolean;
};

/** The families of types whose comparison with a constant is the same everywhere. */
export type Family = 'text' | 'uuid' | 'integer' | 'boolean';

const FAMILIES: ReadonlyMap<number, Family> = new Map([
  [16, 'boolean'],
  [20, 'integer'],
  [21, 'integer'],
  [23, 'integer'],
  [25, 'text'],
  [1043, 'text'],
  [2950, 'uuid'],
]);

/** Throws `Uncompilable` for every other type. */
export function familyOf(column: PolicyColumn): Family {
  const family = FAMILIES.get(column.baseOid);
  if (family === undefined) {
    throw new Uncompilable(
      `column ${column.name} has type ${column.type}: only text, uuid, integers and boolean compare alike everywhere`,
    );
  }
  if (family === 'text' && !column.isDeterministic) {
    throw new Uncompilable(
      `column ${column.name} has a collation in which different texts may be equal`,
    );
  }
  return family;
}

/** Reads a constant as Postgres would; null where it is none of this family, or has another canonical form. */
export function canonicalConstant(family: Family, text: string): string | null {
  switch (family) {
    case 'text':
      return text;
    case 'uuid':
      return /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(text) ? text : null;
    case 'integer':
      return /^-?\d{1,19}$/.test(text) ? String(BigInt(text)) : null;
    default:
      return ['t', 'f'].includes(text) ? text : null;
  }
}
