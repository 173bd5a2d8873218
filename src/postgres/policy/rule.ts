/** Compiles a table's policies for reading into its selector rule, or says which part of which cannot be. */
import type { SelectorRule } from '../../core/selector.ts';
import { audienceRule } from './audience.ts';
import { parsePolicy } from './expression.ts';
import { type Policy, type PolicyColumn, Uncompilable } from './policy.ts';

export type PolicyFacts = {
  readonly name: string;
  readonly isPermissive: boolean;
  /** r = SELECT, a = INSERT, w = UPDATE, d = DELETE, * = all. */
  readonly command: 'r' | 'a' | 'w' | 'd' | '*';
  /** The roles for which it counts; null for all. */
  readonly roles: readonly string[] | null;
  /** USING; null without it: such a policy says nothing about reading. */
  readonly using: string | null;
};

export type CompiledPolicies =
  | { readonly kind: 'rule'; readonly rule: SelectorRule }
  | { readonly kind: 'refused'; readonly reason: string };

export type PoliciesToCompile = {
  readonly policies: readonly PolicyFacts[];
  readonly columns: readonly PolicyColumn[];
  /** As whom readers read. */
  readonly role: string;
};

/**
 * As Postgres has it: a reader sees a row when one permissive policy grants it and every restrictive one does; without
 * a permissive policy nobody sees anything. `loadPgParser` has been awaited before.
 */
export function compilePolicies(request: PoliciesToCompile): CompiledPolicies {
  const { policies, role } = request;
  const columns = new Map(request.columns.map((column) => [column.name, column]));
  const counting = policies.filter(
    ({ command, roles, using }) =>
      (command === 'r' || command === '*') && using !== null && (roles?.includes(role) ?? true),
  );
  let told = '';
  try {
    const read = (wanted: boolean): Policy[] =>
      counting
        .filter(({ isPermissive }) => isPermissive === wanted)
        .map(({ name, using }) => {
          told = `policy ${name}: `;
          return parsePolicy(using ?? '', columns);
        });
    const granting: Policy = { kind: 'or', parts: [NEVER, ...read(true)] };
    const restricting = read(false);
    told = counting.length === 1 ? told : 'its policies together: ';
    return { kind: 'rule', rule: audienceRule({ kind: 'and', parts: [granting, ...restricting] }) };
  } catch (error) {
    if (!(error instanceof Uncompilable)) throw error;
    return { kind: 'refused', reason: `${told}${error.message}` };
  }
}

/** The rule of a table that nobody reads. */
export function nobodyRule(): SelectorRule {
  return audienceRule(NEVER);
}

const NEVER: Policy = { kind: 'row', condition: { kind: 'constant', value: false } };
