/** Parsing of what requests carry. Everything after this is trusted. */
import { TidelockError } from '../core/errors.ts';
import { parseSelector } from '../core/selector.ts';

/** Checks the selectors of a request and drops duplicates. Throws `BAD_SELECTOR`, `BAD_REQUEST`. */
export function parseSelectors(texts: readonly string[], selectorsMax: number): readonly string[] {
  if (texts.length === 0) {
    throw new TidelockError({
      code: 'BAD_REQUEST',
      message: 'no selector is named',
      hint: 'add at least one, for example ?selector=FR',
    });
  }
  if (texts.length > selectorsMax) {
    throw new TidelockError({
      code: 'BAD_REQUEST',
      message: `${texts.length} selectors are named, ${selectorsMax} are allowed in one request`,
      hint: 'use several requests',
    });
  }
  return [...new Set(texts.map(parseSelector))];
}

/** Marks a query string whose percent-encoding is broken. */
export const BAD_QUERY = Symbol('bad query');

export type ParsedQuery = Record<string, string | string[]> & { [BAD_QUERY]?: string };

/**
 * Splits a query string. Repeated names give arrays. Unlike the usual parsers it does not pass broken
 * percent-encoding through: the text is reported under `BAD_QUERY`.
 */
export function parseQuery(text: string): ParsedQuery {
  const query: ParsedQuery = Object.create(null);
  for (const part of text.split('&')) {
    if (part === '') continue;
    const equals = part.indexOf('=');
    const name = decode(equals < 0 ? part : part.slice(0, equals));
    const value = decode(equals < 0 ? '' : part.slice(equals + 1));
    if (name === null || value === null) {
      query[BAD_QUERY] = part;
      continue;
    }
    const present = query[name];
    if (present === undefined) query[name] = value;
    else if (Array.isArray(present)) present.push(value);
    else query[name] = [present, value];
  }
  return query;
}

function decode(text: string): string | null {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    return null;
  }
}

/** The first of `offers` that the `Accept` header allows, by its own preference; null when none. */
export function negotiate(accept: string | undefined, offers: readonly string[]): string | null {
  if (accept === undefined || accept.trim() === '') return offers[0] ?? null;
  const ranges = accept.split(',').map(parseRange);
  let best: { offer: string; quality: number } | null = null;
  for (const offer of offers) {
    const quality = qualityOf(offer, ranges);
    if (quality > (best?.quality ?? 0)) best = { offer, quality };
  }
  return best?.offer ?? null;
}

type Range = { readonly type: string; readonly quality: number };

function parseRange(text: string): Range {
  const [type = '', ...parameters] = text.split(';').map((part) => part.trim().toLowerCase());
  const quality = parameters.find((parameter) => parameter.startsWith('q='))?.slice(2) ?? '1';
  return { type, quality: Number(quality) || 0 };
}

/** The most specific range decides. */
function qualityOf(offer: string, ranges: readonly Range[]): number {
  const group = `${offer.slice(0, offer.indexOf('/'))}/*`;
  for (const type of [offer, group, '*/*']) {
    const range = ranges.find((candidate) => candidate.type === type);
    if (range !== undefined) return range.quality;
  }
  return 0;
}
