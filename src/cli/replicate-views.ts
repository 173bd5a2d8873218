/** `replicate --view`: a name that is no view's would be a feed that never brings anything. */
import { TidelockError } from '../core/errors.ts';
import { quoteText } from '../core/table.ts';

const ANSWER_MS_MAX = 10_000;

type Listed = {
  readonly name: string;
  readonly selector: { readonly kind: string; readonly text?: string };
};

/**
 * `server`: with `/views` behind it. Throws `BAD_SELECTOR` for a view that is not offered. A server that does not answer now,
 * or refuses, is left to the replica, which tells it and tries again.
 */
export async function checkViews(
  server: string,
  names: readonly string[],
  token: string | undefined,
): Promise<void> {
  const listed = await listViews(server, token);
  if (listed === null) return;
  for (const name of names) {
    const table = listed.find((one) => one.name === (name.includes('.') ? name : `public.${name}`));
    if (table === undefined) throw noSuchView(name, listed);
    const { text } = table.selector;
    if (text !== undefined && text !== quoteText(`view:${name}`))
      throw filedElsewhere(name, server);
  }
}

async function listViews(
  server: string,
  token: string | undefined,
): Promise<readonly Listed[] | null> {
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
  const signal = AbortSignal.timeout(ANSWER_MS_MAX);
  try {
    const response = await fetch(`${server}/v1/tables`, { headers, signal });
    if (!response.ok) return null;
    const { tables } = (await response.json()) as { readonly tables: readonly Listed[] };
    return tables;
  } catch {
    return null; // the replica says why
  }
}

function noSuchView(name: string, listed: readonly Listed[]): TidelockError {
  const there = listed.map((one) => one.name.replace(/^public\./, '')).sort();
  return new TidelockError({
    code: 'BAD_SELECTOR',
    message: `the server offers no view ${JSON.stringify(name)}`,
    hint:
      there.length === 0
        ? 'it offers none: CREATE MATERIALIZED VIEW over replicated tables makes one'
        : `there are: ${there.join(', ')}`,
  });
}

function filedElsewhere(name: string, server: string): TidelockError {
  return new TidelockError({
    code: 'BAD_SELECTOR',
    message: `the view ${JSON.stringify(name)} is filed by its column _change_selector`,
    hint: `name its subsets: --server ${server} --selector <selector>`,
  });
}
