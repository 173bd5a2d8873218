/**
 * Values of environment sections: variables, quotes, a leading `~` and command substitutions as a shell has them.
 * Separators, redirections and file patterns stay as they are: a value is no command.
 */
import { SUBSTITUTION_CHARS_MAX } from './limits.ts';
import type { ConfigAnswer, Environment, Reading } from './types.ts';

const VARIABLE = /^\$(?:([A-Za-z_]\w*)|\{([A-Za-z_]\w*)\})/;
/** What only a shell can expand: `$(date)`, backquotes, `${NAME:-word}`. */
const SUBSTITUTION = /^(?:`(?:[^`\\]|\\.)*`|\$\{[^{}]*\})/;

type Quote = '' | '"' | "'";

/** A quote that is never closed is no quote. Blanks outside of quotes become one; those at the ends go. */
export function* expandValue(whole: string, env: Environment): Reading<string> {
  const text = whole.trim();
  if (!/[$`'"\\~]/.test(text)) return text.replace(/\s+/g, ' ');
  const isHome = /^~(?:\/|$)/.test(text) && env.HOME !== undefined;
  let out = isHome ? (env.HOME ?? '') : '';
  let quote: Quote = '';
  let isGap = false;
  for (let at = isHome ? 1 : 0; at < text.length; ) {
    const rest = text.slice(at);
    if (quote === '' && /^\s/.test(rest)) {
      isGap = true;
      at += 1;
      continue;
    }
    const [piece, length, after]: Piece = yield* expandPiece(rest, quote, env);
    at += length;
    // A variable without a value is no word: the blanks around it are one.
    if (piece === '' && quote === '' && after === '') continue;
    out += isGap && out !== '' ? ` ${piece}` : piece;
    isGap = false;
    quote = after;
  }
  return out;
}

type Piece = readonly [text: string, length: number, quote: Quote];

function* expandPiece(rest: string, quote: Quote, env: Environment): Reading<Piece> {
  const first = rest.charAt(0);
  if ((first === '"' || first === "'") && (quote === '' || quote === first)) {
    if (quote === first) return ['', 1, ''];
    return rest.includes(first, 1) ? ['', 1, first] : [first, 1, ''];
  }
  if (quote === "'") return [first, 1, quote];
  if (first === '\\' && rest.length > 1) return [escaped(rest.charAt(1), quote), 2, quote];
  const [whole, plain, braced] = VARIABLE.exec(rest) ?? [];
  if (whole !== undefined) return [env[plain ?? braced ?? ''] ?? '', whole.length, quote];
  const near = rest.slice(0, SUBSTITUTION_CHARS_MAX);
  const command = near.startsWith('$(') ? parenthesised(near) : SUBSTITUTION.exec(near)?.[0];
  if (command === undefined) return [first, 1, quote];
  const answer: ConfigAnswer = yield { kind: 'expand', text: command, env };
  const output = answer.kind === 'output' ? answer.stdout : '';
  return [output.trimEnd().replaceAll('\n', ' '), command.length, quote];
}

/** Between double quotes a backslash stays, but before what it protects. */
function escaped(next: string, quote: Quote): string {
  return quote === '"' && !/["\\$`]/.test(next) ? `\\${next}` : next;
}

/** `$(...)` up to its own closing parenthesis; nothing when there is none. */
function parenthesised(text: string): string | undefined {
  let depth = 0;
  for (let at = 1; at < text.length; at += 1) {
    if (text[at] === '(') depth += 1;
    if (text[at] === ')') depth -= 1;
    if (depth === 0) return text.slice(0, at + 1);
  }
  return undefined;
}
