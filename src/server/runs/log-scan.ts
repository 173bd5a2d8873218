/**
 * Looks through a log in pieces, a bounded number of bytes for each request: a log of any size takes the same memory, and
 * others are served between two pieces. Whoever asks goes on from the place that the answer names.
 */
import type { FileHandle } from 'node:fs/promises';
import { isErrorLine, plainLine } from '../../protocol/log-lines.ts';
import type { LogFound, LogHit, LogPlace } from '../../protocol/run-files.ts';

const PIECE_BYTES = 256 * 1024;
/** Of one request. */
const SEARCHED_MAX_BYTES = 16 * 1024 * 1024;
const COUNTED_MAX_BYTES = 64 * 1024 * 1024;
/** Of a longer line, parts are looked at. */
const LINE_BYTES_MAX = 64 * 1024;
const PART_STEP = LINE_BYTES_MAX / 2;
const NEWLINE = 10;

export type ScanStart = { readonly byte: number; readonly line: number };

export type Search = ScanStart & {
  /** Null: lines that say that something went wrong. */
  readonly text: string | null;
  readonly hitsMax: number;
  readonly signal: AbortSignal;
};

/** Lines with the text, whatever their colours and without regard to case. */
export async function searchLog(file: FileHandle, search: Search): Promise<LogFound> {
  const walk = new LineWalk(search, matcherOf(search.text));
  for await (const piece of pieces(file, search.byte, SEARCHED_MAX_BYTES)) {
    search.signal.throwIfAborted();
    walk.push(piece);
    if (walk.hits.length >= search.hitsMax) return walk.found(search.hitsMax);
  }
  const { size } = await file.stat();
  return walk.end(size);
}

/** Where a line begins, or in which line a byte is. */
export async function placeIn(
  file: FileHandle,
  from: ScanStart & { readonly signal: AbortSignal },
  wanted: { readonly line: number } | { readonly byte: number },
): Promise<LogPlace> {
  const [toLine, toByte] = 'line' in wanted ? [wanted.line, Infinity] : [Infinity, wanted.byte];
  let { byte, line } = from;
  if (line >= toLine || byte >= toByte) return { byte, line, isThere: true };
  const { size } = await file.stat();
  for await (const piece of pieces(file, byte, COUNTED_MAX_BYTES)) {
    from.signal.throwIfAborted();
    const part = piece.subarray(0, Math.min(piece.length, toByte - byte));
    for (let at = part.indexOf(NEWLINE); at >= 0; at = part.indexOf(NEWLINE, at + 1)) {
      line += 1;
      if (line >= toLine) return { byte: byte + at + 1, line, isThere: true };
    }
    byte += part.length;
    if (byte >= toByte) return { byte, line, isThere: true };
  }
  // Beyond the end, the last line is as near as can be.
  return { byte, line, isThere: byte >= size };
}

/** The buffer is used again for the next piece. */
async function* pieces(file: FileHandle, from: number, max: number): AsyncGenerator<Buffer> {
  const buffer = Buffer.allocUnsafe(PIECE_BYTES);
  for (let at = from; at < from + max; ) {
    const { bytesRead } = await file.read(buffer, { position: at });
    if (bytesRead === 0) return;
    yield buffer.subarray(0, bytesRead);
    at += bytesRead;
  }
}

type Matcher = (raw: string) => boolean;

/** Lines come with a character for each byte: what is plain ASCII is not decoded. */
function matcherOf(text: string | null): Matcher {
  if (text === null) return isErrorLine;
  const wanted = text.toLowerCase();
  const isPlain = /^[\t -~]*$/.test(wanted);
  return (raw) => {
    const line = isPlain ? raw : Buffer.from(raw, 'latin1').toString('utf8');
    return plainLine(line).toLowerCase().includes(wanted);
  };
}

/** Cuts pieces into lines, and remembers where those begin that match. */
class LineWalk {
  readonly hits: LogHit[] = [];
  readonly #matches: Matcher;
  /** Of what is in `#rest`. */
  #byte: number;
  #line: number;
  #rest = '';

  constructor({ byte, line }: ScanStart, matches: Matcher) {
    this.#matches = matches;
    this.#byte = byte;
    this.#line = line;
  }

  push(piece: Buffer): void {
    const text = this.#rest + piece.toString('latin1');
    let from = 0;
    for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', from)) {
      this.#look(text.slice(from, at), this.#byte + from);
      this.#line += 1;
      from = at + 1;
    }
    this.#byte += from;
    this.#rest = text.slice(from);
    this.#shorten();
  }

  /** What is very long is not kept until it ends. */
  #shorten(): void {
    if (this.#rest.length <= LINE_BYTES_MAX) return;
    const over = this.#rest.length - PART_STEP;
    this.#look(this.#rest, this.#byte);
    this.#rest = this.#rest.slice(over);
    this.#byte += over;
  }

  /** A very long line in parts that overlap, so that nothing that is looked for is cut. */
  #look(raw: string, byte: number): void {
    for (let from = 0; from === 0 || from + PART_STEP < raw.length; from += PART_STEP) {
      const part = raw.slice(from, from + LINE_BYTES_MAX);
      if (this.#matches(part)) this.hits.push({ byte: byte + from, line: this.#line });
    }
  }

  /** Goes on behind the last hit that is told. */
  found(hitsMax: number): LogFound {
    const hits = this.hits.slice(0, hitsMax);
    const next = this.hits[hitsMax];
    return { hits, ...(next ?? { byte: this.#byte, line: this.#line }), isEnd: false };
  }

  /** A line without its end may grow: it is looked at, and looked at again. */
  end(size: number): LogFound {
    const isEnd = this.#byte + this.#rest.length >= size;
    if (isEnd && this.#rest !== '') this.#look(this.#rest, this.#byte);
    return { hits: this.hits, byte: this.#byte, line: this.#line, isEnd };
  }
}
