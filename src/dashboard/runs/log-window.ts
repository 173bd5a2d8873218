/**
 * A window on a log: some of its lines, with their places in the file. It moves over a log of any size and never grows
 * beyond its limits. Pieces come as bytes, so that places are exact whatever is in the log.
 */

export type LogLine = {
  /** Where it begins in the file. */
  readonly byte: number;
  readonly text: string;
  /** It goes on with the line before: very long lines are shown in parts. */
  readonly isPart: boolean;
};

export type LogWindow = {
  /** Without the one that has no end yet. */
  readonly lines: readonly LogLine[];
  /** The last line of the file, as far as it is written. */
  readonly rest: LogLine | null;
  /** Bytes: where `lines` begins and ends, and how long the file is. */
  readonly from: number;
  readonly to: number;
  readonly size: number;
  /** What comes behind `to` goes on a line that has begun. */
  readonly endsInside: boolean;
  /** The number of the first line; null while nobody has counted. */
  readonly first: number | null;
};

export type LogPiece = {
  readonly body: Uint8Array;
  readonly from: number;
  /** Of the whole file. */
  readonly size: number;
};

export type KnownPlace = { readonly byte: number; readonly line: number };

/** What a window holds at most: a page draws all of it. */
export const LINES_MAX = 2000;
const LINES_BEFORE = 1000;
export const WINDOW_BYTES_MAX = 1024 * 1024;
/** Longer lines are shown in parts. */
const PART_BYTES = 8 * 1024;
const NEWLINE = 10;

export const EMPTY_WINDOW: LogWindow = {
  ...{ lines: [], rest: null, from: 0, to: 0, size: 0, endsInside: false, first: 1 },
};

/** A window on this piece, which may begin inside of a line; it shows the line of the byte, by default its end. */
export function opened(piece: LogPiece, byte: number = piece.size): LogWindow {
  const { lines, ...end } = cutWhole(piece);
  const from = lines[0]?.byte ?? end.to;
  const whole = { lines, ...end, from, size: piece.size, first: from === 0 ? 1 : null };
  const before = lines.findLastIndex((line) => line.byte <= byte) - LINES_BEFORE;
  if (byte >= end.to) return withoutBeginning(whole);
  return withoutEnd(dropped(whole, Math.max(0, before)));
}

/** With the piece that begins where the window ends; the beginning goes when it becomes too much. */
export function appended(window: LogWindow, piece: LogPiece): LogWindow {
  if (piece.from !== window.to) return window;
  const { lines, ...end } = cut(piece, window.endsInside);
  const all = [...window.lines, ...lines];
  return withoutBeginning({ ...window, ...end, lines: all, size: piece.size });
}

/** With the piece that ends where the window begins; the end goes when it becomes too much. */
export function prepended(window: LogWindow, piece: LogPiece): LogWindow {
  // Of a very long line, the part before the window is whole although it has no end.
  const { lines, rest } = cutWhole({ ...piece, size: piece.from + piece.body.length });
  const earlier = rest === null ? lines : [...lines, rest];
  const all = [...earlier, ...window.lines];
  const from = all[0]?.byte ?? piece.from;
  const counted = window.first === null ? null : window.first - steps(all, earlier.length);
  const first = from === 0 ? 1 : counted;
  return withoutEnd({ ...window, lines: all, from, size: piece.size, first });
}

/** With the number of a line that somebody has counted; unchanged where that line is not in the window. */
export function numbered(window: LogWindow, { byte, line }: KnownPlace): LogWindow {
  const at = window.lines.findIndex((one) => one.byte === byte);
  if (at < 0) return window;
  return { ...window, first: line - steps(window.lines, at) };
}

/** The numbers of the lines; null where nobody has counted, or a line goes on. */
export function numbersOf({ lines, first }: LogWindow): readonly (number | null)[] {
  if (first === null) return lines.map(() => null);
  let number = first;
  return lines.map(({ isPart }, at) => {
    if (at > 0 && !isPart) number += 1;
    return isPart ? null : number;
  });
}

/** The line that holds the byte, or null when the window does not. */
export function lineAt({ lines, rest, from, to }: LogWindow, byte: number): LogLine | null {
  if (byte < from) return null;
  if (byte >= to) return rest;
  return lines.findLast((line) => line.byte <= byte) ?? null;
}

/** Numbers between the first line and the one at this place. */
function steps(lines: readonly LogLine[], at: number): number {
  let count = 0;
  for (let n = 1; n <= at && n < lines.length; n += 1) if (lines[n]?.isPart === false) count += 1;
  return count;
}

type Cut = Pick<LogWindow, 'lines' | 'rest' | 'to' | 'endsInside'>;

/** Without the part of a line at the beginning, unless there is nothing else. */
function cutWhole(piece: LogPiece): Cut {
  const { body, from } = piece;
  if (from === 0) return cut(piece, false);
  const end = body.indexOf(NEWLINE) + 1;
  const start = end === 0 ? characterAfter(body) : end;
  return cut({ ...piece, body: body.subarray(start), from: from + start }, end === 0);
}

function cut({ body, from, size }: LogPiece, beginsInside: boolean): Cut {
  const decoder = new TextDecoder();
  const lines: LogLine[] = [];
  let isPart = beginsInside;
  let at = 0;
  const lineTo = (end: number): LogLine => {
    return { byte: from + at, text: decoder.decode(body.subarray(at, end)), isPart };
  };
  while (at < body.length) {
    const newline = body.indexOf(NEWLINE, at);
    const end = newline < 0 ? body.length : newline;
    const isLong = end - at > PART_BYTES;
    if (!isLong && newline < 0) break;
    const cutAt = isLong ? characterBefore(body, at + PART_BYTES) : end;
    lines.push(lineTo(cutAt));
    at = isLong ? cutAt : end + 1;
    isPart = isLong;
  }
  const isEnd = from + body.length >= size;
  const rest = isEnd && at < body.length ? lineTo(body.length) : null;
  return { lines, rest, to: from + at, endsInside: isPart };
}

/** In UTF-8: a byte that a character does not begin with. */
const isInside = (byte = 0): boolean => (byte & 0xc0) === 0x80;

/** Where the character begins that holds this byte. */
function characterBefore(body: Uint8Array, at: number): number {
  for (let back = 0; back < 4; back += 1) if (!isInside(body[at - back])) return at - back;
  return at;
}

/** Where the first whole character begins. */
function characterAfter(body: Uint8Array): number {
  for (let at = 0; at < 4; at += 1) if (!isInside(body[at])) return at;
  return 0;
}

function withoutBeginning(window: LogWindow): LogWindow {
  const { lines, to } = window;
  let count = Math.max(0, lines.length - LINES_MAX);
  while (count < lines.length - 1 && to - (lines[count]?.byte ?? 0) > WINDOW_BYTES_MAX) count += 1;
  return dropped(window, count);
}

/** Without the first lines. */
function dropped(window: LogWindow, count: number): LogWindow {
  if (count === 0) return window;
  const { lines } = window;
  const first = window.first === null ? null : window.first + steps(lines, count);
  return { ...window, lines: lines.slice(count), from: lines[count]?.byte ?? window.to, first };
}

function withoutEnd(window: LogWindow): LogWindow {
  const { lines, from } = window;
  let keep = Math.min(lines.length, LINES_MAX);
  while (keep > 1 && (lines[keep - 1]?.byte ?? 0) - from > WINDOW_BYTES_MAX) keep -= 1;
  if (keep === lines.length) return window;
  const { byte: to = window.to, isPart: endsInside = false } = lines[keep] ?? {};
  return { ...window, lines: lines.slice(0, keep), rest: null, to, endsInside };
}
