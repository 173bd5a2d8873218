/** LIKE: `%` any characters, `_` one, a backslash makes the next one mean itself. */
import { sqlError } from '../errors.ts';

type Part =
  | { readonly kind: 'any' }
  | { readonly kind: 'one' }
  /** The escape character with nothing behind it: an error once a match comes to it. */
  | { readonly kind: 'broken' }
  | { readonly kind: 'literal'; readonly text: string };

const patterns = new Map<string, readonly Part[]>();

/** Of patterns that are kept as they were read. */
const PATTERNS_MAX = 200;

/** Throws 22025 where a match comes to an escape character at the pattern's end. Time is at most text times pattern. */
export function isLike(text: string, pattern: string): boolean {
  const parts = patterns.get(pattern) ?? readPattern(pattern);
  if (patterns.size >= PATTERNS_MAX) patterns.clear();
  patterns.set(pattern, parts);
  return matches([...text], parts);
}

function readPattern(pattern: string): readonly Part[] {
  const characters = [...pattern];
  const parts: Part[] = [];
  for (let index = 0; index < characters.length; index++) {
    const one = characters[index] ?? '';
    if (one === '%') parts.push({ kind: 'any' });
    else if (one === '_') parts.push({ kind: 'one' });
    else if (one !== '\\') parts.push({ kind: 'literal', text: one });
    else parts.push(escaped(characters[++index]));
  }
  return parts;
}

const escaped = (character: string | undefined): Part =>
  character === undefined ? { kind: 'broken' } : { kind: 'literal', text: character };

/** Goes back to the last `%` only: an earlier one never has to take more. */
function matches(text: readonly string[], parts: readonly Part[]): boolean {
  let [at, part, lastAny, anyEnd] = [0, 0, -1, 0];
  while (at < text.length) {
    const next = parts[part];
    if (next?.kind === 'broken') {
      throw sqlError('22025', 'LIKE pattern must not end with escape character');
    }
    if (next?.kind === 'any') [lastAny, anyEnd] = [part++, at];
    else if (next?.kind === 'one' || (next?.kind === 'literal' && next.text === text[at])) {
      at++;
      part++;
    } else if (lastAny < 0) return false;
    else {
      part = lastAny + 1;
      at = ++anyEnd;
    }
  }
  return parts.slice(part).every(({ kind }) => kind === 'any');
}

/** Rewrites a pattern with an escape character of its own (or none) into one with the backslash. */
export function withEscape(pattern: string, own: string): string {
  if ([...own].length > 1) throw sqlError('22025', 'invalid escape string');
  if (own === '\\') return pattern;
  let written = '';
  let isAfter = false;
  for (const one of pattern) {
    const isEscape: boolean = one === own && !isAfter;
    if (isEscape) written += '\\';
    else if (one === '\\') written += isAfter ? '\\' : '\\\\';
    else written += one;
    isAfter = isEscape;
  }
  return written;
}
