/** `twoway tables=(note=*)`: tables that replicas write to, enabled as `tidelock twoway enable` does. */
import { PgSession } from '../../postgres/session.ts';
import { enableTwoway } from '../../postgres/twoway/enable.ts';
import type { Call } from '../../script/run.ts';
import { errorText } from './error-text.ts';
import type { RealParts } from './real-parts.ts';

/** Prints what each table was enabled with, or why not. Without a rule the policies of the table decide. */
export async function twoway({ args }: Call, { postgres }: RealParts): Promise<string> {
  const tables = args.list('tables');
  const session = await PgSession.connect({ url: postgres.url });
  try {
    let shown = '';
    for (const text of tables) shown += await enabled(session, text);
    return shown;
  } finally {
    await session.end();
  }
}

async function enabled(session: PgSession, text: string): Promise<string> {
  const [table = '', rule] = text.split('=');
  try {
    const result = await enableTwoway(session, { table, rule });
    const warnings = result.warnings.map((warning) => `warning: ${warning}\n`).join('');
    return `${result.table}: ${result.rule} by ${result.ruleKind}\n${warnings}`;
  } catch (error) {
    return errorText(error);
  }
}
