/**
 * Values of environment sections: variables, quotes, a leading `~` and command substitutions as a shell has them.
 * Separators, redirections and file patterns stay as they are: a value is no command.
 */
import type { ConfigAnswer, Environment, Reading } from './types.ts';

const VARIABLE = /^\$(?:([A-Za-z_]\w*)|\{([A-Za-z_]\w*)\})/;
/** What only a shell can expand: `$(date)`, backquotes, `${NAME:-word}`. */
const SUBSTITUTION = /^(?:`(?:[^`\\]|\\.)*`|\$\{[^{}]*\})/;

type Quote = '' | '"' | "'";

/** A quote that is never closed is no quote. */
export function* expandValue(text: string, env: Environment): Reading<string> {
  if (!/[$`'"\\~]/.test(text)) return squeeze(text);
  let out = '';
  let quote: Quote = '';
  let at = 0;
  if (/^~(?:\/|$)/.test(text) && env.HOME !== undefined) {
    out = env.HOME;
    at = 1;
  }
  while (at < text.length) {
    const rest = text.slice(at);
    const [piece, length, after]: Piece = yield* expandPiece(rest, quote, env);
    const isBlank = quote === '' && /^\s/.test(rest);
    if (!isBlank) out += piece;
    else if (!/\s$/.test(out)) out += ' ';
    quote = after;
    at += length;
  }
  return out.trimEnd();
}

function squeeze(text: string): string {
  return text.trim().replace(/\s+/g, ' ');
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
  const command = rest.startsWith('$(') ? parenthesised(rest) : SUBSTITUTION.exec(rest)?.[0];
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
