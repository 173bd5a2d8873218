/** Lines of logs: what terminals would show of them, and which ones say that something went wrong. */

/** Control sequences of terminals; of colours, the first group has the numbers and the second is `m`. */
export const CONTROL_SEQUENCE =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control sequences are what is looked for
  /\u001b\[([0-9;:?]*)([@-~])|\u001b\][^\u0007\u001b]*(?:\u0007|\u001b\\)|\u001b[@-_]|[\u0000-\u0008\u000b-\u001f\u007f]/g;

// biome-ignore lint/suspicious/noControlCharactersInRegex: most lines have none
const HAS_CONTROL = /[\u0000-\u0008\u000b-\u001f\u007f]/;

/** A carriage return without a line feed: what stood before it was written over. */
export function shownPart(line: string): string {
  const shown = line.endsWith('\r') ? line.slice(0, -1) : line;
  return shown.slice(shown.lastIndexOf('\r') + 1);
}

/** The line as a terminal shows it, without colours. */
export function plainLine(line: string): string {
  return HAS_CONTROL.test(line) ? shownPart(line).replace(CONTROL_SEQUENCE, '') : line;
}

const ERROR_LINE = /\b(?:error|fail(?:ed|ure)?|fatal|exception|panic|assert(?:ion)?)\b/i;

/** True for lines that say that something went wrong: what is jumped to where no rule names a line. */
export function isErrorLine(line: string): boolean {
  return ERROR_LINE.test(plainLine(line));
}

/** What rules write before the line at which they fired; the line's own text follows, and may say anything. */
const RULE_LINE = /(?:wanted [<>=]+ \d+|is not [^;]*\)); line (\d+): /;

/** The line that a rule has named in a comment, or null. */
export function namedLine(comment: string): number | null {
  const [, line] = RULE_LINE.exec(comment) ?? [];
  return line === undefined ? null : Number(line);
}
