/** The connection of the `twoway` commands: to the database that the server reads, as the server's role. */
import { TidelockError } from '../core/errors.ts';
import { PgSession } from '../postgres/session.ts';
import { badConfig, loadSettings } from './config-load.ts';
import { parseTableName } from './table-name.ts';

/** `--postgres`, the settings' file or the environment. */
export type SessionFlags = Readonly<Record<string, unknown>> & { readonly config?: string };

export async function withSession<T>(
  flags: SessionFlags,
  job: (session: PgSession) => Promise<T>,
): Promise<T> {
  const { postgres: url } = loadSettings({ file: flags.config, environment: process.env, flags });
  if (url === undefined) throw badConfig(['postgres: name the database: --postgres <url>']);
  const session = await PgSession.connect({ url });
  try {
    return await job(session);
  } finally {
    await session.end();
  }
}

/** `notes`, `public.notes`, `public."Notes"`. Throws `BAD_REQUEST`. */
export function tableOption(text: string): string {
  const name = parseTableName(text.includes('.') ? text : `public.${text}`);
  if (name !== null) return name;
  throw new TidelockError({
    code: 'BAD_REQUEST',
    message: `${JSON.stringify(text)} is no name of a table`,
    hint: 'name it as schema.table; quote names with dots: public."a.b"',
  });
}
