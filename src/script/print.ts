/** Writes scripts: the inverse of parse.ts in the strict dialect. */
import { isBareValue, isWord } from './directive.ts';
import { ScriptError } from './errors.ts';
import { blockOf, looksLikeSeparator } from './fence.ts';
import { isBlank, linesOf } from './lines.ts';
import { BLANK } from './parse.ts';
import type { Argument, CaseContent, Content } from './types.ts';

const NOWHERE = { file: '(printed)', line: 1, column: 1 };

/** A strict script with this content. Throws `ScriptError` for what the format cannot say. */
export function printScript(contents: readonly Content[]): string {
  const lines: string[] = [];
  for (const [index, content] of contents.entries()) {
    if (content.kind === 'comment') lines.push(commentText(content.text));
    else if (content.kind === 'case') {
      lines.push(...caseLines(content));
      const next = contents[index + 1];
      if (next !== undefined && !isBlankComment(next)) lines.push('');
    } else throw unprintable('a subtest', 'use one file for each');
  }
  return lines.map((line) => `${line}\n`).join('');
}

const isBlankComment = (content: Content): boolean =>
  content.kind === 'comment' && isBlank(content.text);

function commentText(text: string): string {
  if (!text.includes('\n') && (isBlank(text) || text.startsWith('#'))) return text;
  throw unprintable('a comment', 'begin each of its lines with #');
}

/** The lines of one case, without the blank one that must follow. */
function caseLines(content: CaseContent): string[] {
  const input = inputLines(content);
  const block = blockOf(content.expected, 'strict');
  if (block === null || !isWord(content.command)) {
    throw unprintable(`the command ${content.command}`, 'use letters, digits, "-", "_" and "."');
  }
  return [directiveText(content), ...input, ...block];
}

function inputLines({ input, args }: CaseContent): string[] {
  const lines = linesOf(input);
  const isClosed = input === '' || input.endsWith('\n');
  if (!isClosed || lines.some(looksLikeSeparator)) {
    throw unprintable('an input', 'end it with a newline, and have no line of hyphens in it');
  }
  if (lines.some(isBlank) && !args.some(({ key }) => key === BLANK)) {
    throw unprintable('an input with blank lines', `add the argument ${BLANK}`);
  }
  return lines;
}

function directiveText({ command, args }: Pick<CaseContent, 'command' | 'args'>): string {
  return [command, ...args.map(argumentText)].join(' ');
}

function argumentText(argument: Argument): string {
  if (argument.kind === 'flag') return argument.key;
  if (argument.kind === 'list') {
    return `${argument.key}=(${argument.values.map(quoted).join(', ')})`;
  }
  return `${argument.key}=${argument.value === '' ? '' : quoted(argument.value)}`;
}

const quoted = (value: string): string => (isBareValue(value) ? value : JSON.stringify(value));

function unprintable(what: string, remedy: string): ScriptError {
  return new ScriptError(NOWHERE, `${what} cannot be written into a script`, remedy);
}
