/** What requests of Transicator's clients carry. An empty parameter is one that was not given. */

import { parseTxidSnapshot, type TxidSnapshot } from '../../core/txid-snapshot.ts';
import { parseSequence, type Sequence } from '../../protocol/transicator/sequence.ts';
import { negotiate, type ParsedQuery } from '../input.ts';
import { type TransicatorCode, TransicatorError } from './errors.ts';

const SELECTOR = /^[0-9a-z_-]+$/;
const WHOLE_NUMBER = /^-?\d{1,9}$/;
const LIMIT_DEFAULT = 100;
const LIMIT_MAX = 100_000;
/** An early empty answer is legal; the server's idle limit is longer than this. */
const BLOCK_S_MAX = 60;

export type ChangesInput = {
  /** Without any: the empty selector. */
  readonly selectors: readonly string[];
  readonly since: Sequence | null;
  readonly snapshot: TxidSnapshot | null;
  readonly limit: number;
  readonly blockMs: number;
};

/** Throws `PARAMETER_INVALID`. */
export function parseChanges(query: ParsedQuery, selectorsMax: number): ChangesInput {
  const selectors = parseScopes(query, { selectorsMax, code: 'PARAMETER_INVALID' });
  const limit = parseNumber(query, 'limit', LIMIT_DEFAULT);
  if (limit > LIMIT_MAX) throw invalid(`limit ${limit} is too high: ${LIMIT_MAX} at most`);
  const blockS = Math.min(Math.max(0, parseNumber(query, 'block', 0)), BLOCK_S_MAX);
  return {
    selectors: selectors.length === 0 ? [''] : selectors,
    since: parse(query, 'since', parseSequence),
    snapshot: parse(query, 'snapshot', parseTxidSnapshot),
    ...{ limit, blockMs: blockS * 1000 },
  };
}

/** `scope` and `selector` mean the same. Throws `code` for what no selector can be. */
export function parseScopes(
  query: ParsedQuery,
  { selectorsMax, code }: { readonly selectorsMax: number; readonly code: TransicatorCode },
): readonly string[] {
  const found = (['scope', 'selector'] as const).flatMap((name) =>
    valuesOf(query, name).map((text) => {
      if (SELECTOR.test(text)) return text;
      throw new TransicatorError(
        code,
        `${name} ${quote(text)} has other characters than ${SELECTOR_CHARACTERS}`,
      );
    }),
  );
  if (found.length > selectorsMax) {
    throw new TransicatorError(
      code,
      `${found.length} scopes are named, ${selectorsMax} are allowed`,
    );
  }
  return [...new Set(found)];
}

const SELECTOR_CHARACTERS = '0-9 a-z _ -';

function valuesOf(query: ParsedQuery, name: string): readonly string[] {
  return [query[name] ?? []].flat().filter((text) => text !== '');
}

function parse<T>(query: ParsedQuery, name: string, read: (text: string) => T | null): T | null {
  const [text] = valuesOf(query, name);
  if (text === undefined) return null;
  const value = read(text);
  if (value === null) throw invalid(`${name} cannot be ${quote(text)}`);
  return value;
}

function parseNumber(query: ParsedQuery, name: string, byDefault: number): number {
  const [text] = valuesOf(query, name);
  if (text === undefined) return byDefault;
  if (!WHOLE_NUMBER.test(text)) throw invalid(`${name} ${quote(text)} is no whole number`);
  return Number(text);
}

function invalid(description: string): TransicatorError {
  return new TransicatorError('PARAMETER_INVALID', description);
}

function quote(text: string): string {
  return JSON.stringify(text.slice(0, 60));
}

/** The first offer that `Accept` allows; `*` alone means anything, as for the original. */
export function negotiateForm(
  accept: string | undefined,
  offers: readonly string[],
): string | null {
  return negotiate(accept?.trim() === '*' ? '*/*' : accept, offers);
}
