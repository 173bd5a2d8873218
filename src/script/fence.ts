/** Which separator the output of a case needs, so that it reads back as it is. */
import { isBlank, linesOf } from './lines.ts';
import type { Dialect } from './types.ts';

export const SEPARATOR = '----';
/** The rust dialect's closing line for text without a final newline. */
export const NO_NEWLINE = '---- (no newline)';

const HYPHENS = /^-{4,}$/;

/** Four hyphens or more and nothing else. */
export const isHyphens = (text: string): boolean => HYPHENS.test(text);

/** What its author probably meant as a separator. */
export function looksLikeSeparator(text: string): boolean {
  return /^\s*-{3,}\s*$/.test(text);
}

/**
 * Separator, text and closing fence as lines. Null when the dialect cannot express the text: only `strict` has fences of
 * any length.
 */
export function blockOf(text: string, dialect: Dialect): readonly string[] | null {
  const content = linesOf(text);
  const isOpen = dialect === 'rust' && text !== '' && !text.endsWith('\n');
  if (!isOpen && !needsFence(content, dialect)) return [SEPARATOR, ...content];
  const fence = dialect === 'strict' ? fenceFor(content) : SEPARATOR;
  if (dialect !== 'strict' && breaksFence(content)) return null;
  return [fence, fence, ...content, fence, isOpen ? NO_NEWLINE : fence];
}

function needsFence(content: readonly string[], dialect: Dialect): boolean {
  if (content.some(isBlank)) return true;
  return dialect === 'strict' ? content.some(isHyphens) : content[0] === SEPARATOR;
}

function fenceFor(content: readonly string[]): string {
  const longest = Math.max(0, ...content.filter(isHyphens).map(({ length }) => length));
  return '-'.repeat(Math.max(SEPARATOR.length, longest + 1));
}

/** Two separators in a row, or one before the closing pair, would end the text early. */
function breaksFence(content: readonly string[]): boolean {
  return content.some(
    (line, index) =>
      line === SEPARATOR && [SEPARATOR, NO_NEWLINE, undefined].includes(content[index + 1]),
  );
}
