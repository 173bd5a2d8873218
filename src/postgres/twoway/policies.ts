/** The selector rule of a table with row-level security, for `twoway enable`. */
import { TidelockError } from '../../core/errors.ts';
import { EVERYONE } from '../../core/selector.ts';
import { loadPgParser } from '../../sql/pg-parser.ts';
import { readFacts } from '../catalog.ts';
import type { PgSession } from '../session.ts';
import { policyRule } from './declaration.ts';

/** Compiles the policies as they are now. Throws `TABLE_UNFIT` with the policy and its part that cannot be. */
export async function compileTable(
  session: PgSession,
  table: { readonly name: string; readonly role: string },
): Promise<{ readonly rule: string; readonly ruleKind: 'policy' }> {
  await loadPgParser();
  const [facts] = await readFacts(session, [table.name]);
  const rule = facts === undefined ? null : policyRule(facts, table);
  if (rule !== null && !('reason' in rule)) {
    return { rule: rule.kind === 'everyone' ? EVERYONE : rule.text, ruleKind: 'policy' };
  }
  throw new TidelockError({
    code: 'TABLE_UNFIT',
    message: `table ${table.name} cannot be two-way: ${rule?.reason ?? 'it is gone'}`,
    hint: rule?.remedy ?? 'name another table',
  });
}
