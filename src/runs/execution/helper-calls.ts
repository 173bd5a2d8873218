/**
 * What tests say through the helper `megatest`: records in the calls file of an execution, read from where the
 * last reading ended. A record that is not complete yet waits.
 */
import { closeSync, openSync, readSync } from 'node:fs';
import { uptime } from 'node:os';

const READ_BYTES = 64 * 1024;
/** Of one record; a call with more is left out, and that is told. */
const RECORD_BYTES_MAX = 1 << 20;
const ZERO = 0;

export type HelperCall = {
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly cwd: string;
  readonly kind:
    | 'step'
    | 'status'
    | 'ran'
    | 'data'
    | 'values'
    | 'log'
    | 'message'
    | 'fault'
    | 'lost';
  /** Name of the step, or ''; of `lost`: what is not there, and why. */
  readonly name: string;
  /** Of `:name value` and `-name value`, without the sign. */
  readonly options: ReadonlyMap<string, string>;
};

/** Flag -> kind of the call, the first that is there decides. */
const KINDS: readonly (readonly [flag: string, kind: HelperCall['kind'], hasName: boolean])[] = [
  ['-ran', 'ran', true],
  ['-fault', 'fault', true],
  ['-step', 'step', true],
  ['-test-status', 'status', false],
  ['-load-test-data', 'data', false],
  ['-set-values', 'values', false],
  ['-set-toplog', 'log', true],
  ['-setlog', 'log', true],
  ['-m', 'message', true],
];
const WITHOUT_VALUE: ReadonlySet<string> = new Set([
  ...['-test-status', '-load-test-data', '-set-values', '-summarize-items', '-force'],
]);

export class HelperCalls {
  readonly #path: string;
  #offset: number;
  #rest: Buffer = Buffer.alloc(0);
  /** Of a record that is too large. */
  #fieldsToSkip = 0;

  /** `offset`: how much an earlier reader has taken. */
  constructor(path: string, offset = 0) {
    this.#path = path;
    this.#offset = offset;
  }

  /** Bytes that belong to calls that were handed out. */
  get taken(): number {
    return this.#offset - this.#rest.length;
  }

  /** The calls since the last time. */
  next(): readonly HelperCall[] {
    let file: number;
    try {
      file = openSync(this.#path, 'r');
    } catch {
      return [];
    }
    try {
      this.#fill(file);
    } finally {
      closeSync(file);
    }
    return this.#split();
  }

  #fill(file: number): void {
    const piece = Buffer.allocUnsafe(READ_BYTES);
    while (this.#rest.length < RECORD_BYTES_MAX) {
      const bytes = readSync(file, piece, 0, READ_BYTES, this.#offset);
      if (bytes === 0) return;
      this.#offset += bytes;
      this.#rest = Buffer.concat([this.#rest, piece.subarray(0, bytes)]);
    }
  }

  #split(): readonly HelperCall[] {
    const calls: HelperCall[] = [];
    let start = this.#skipped();
    while (this.#fieldsToSkip === 0) {
      const record = recordAt(this.#rest, start);
      if (record === null) break;
      start = record.end;
      const call = callOf(record.fields);
      if (call !== null) calls.push(call);
    }
    this.#rest = this.#rest.subarray(start);
    if (this.#rest.length < RECORD_BYTES_MAX) return calls;
    // Its rest is left out as it comes; what is told after it counts.
    this.#fieldsToSkip = fieldsOf(this.#rest);
    this.#rest = this.#rest.subarray(this.#skipped());
    return [...calls, lostCall(`a call of more than ${RECORD_BYTES_MAX} bytes was left out`)];
  }

  /** Where the record ends that is left out, or as far as it has come. */
  #skipped(): number {
    let at = 0;
    while (this.#fieldsToSkip > 0) {
      const end = this.#rest.indexOf(ZERO, at);
      if (end < 0) return this.#rest.length;
      at = end + 1;
      this.#fieldsToSkip -= 1;
    }
    return at;
  }
}

/** For the one who judges the test: something that it has told is not there. */
function lostCall(name: string): HelperCall {
  return { at: Date.now(), cwd: '', kind: 'lost', name, options: new Map() };
}

/** Of the record at the beginning; one that is none ends at its first zero. */
function fieldsOf(bytes: Buffer): number {
  const end = bytes.indexOf(ZERO);
  return end < 0 ? 1 : 3 + (Number.parseInt(bytes.toString('latin1', 0, end), 10) || 0);
}

type Fields = readonly string[];

function recordAt(bytes: Buffer, start: number): { fields: Fields; end: number } | null {
  const fields: string[] = [];
  let at = start;
  let wanted = 1;
  while (fields.length < wanted) {
    const end = bytes.indexOf(ZERO, at);
    if (end < 0) return null;
    fields.push(bytes.toString('utf8', at, end));
    at = end + 1;
    if (fields.length === 1) wanted = 3 + (Number.parseInt(fields[0] ?? '', 10) || 0);
  }
  return { fields, end: at };
}

function callOf([, up = '0', cwd = '', ...words]: Fields): HelperCall | null {
  const found = KINDS.find(([flag]) => words.includes(flag));
  if (found === undefined) return null;
  const [flag, kind, hasName] = found;
  const name = hasName ? (words[words.indexOf(flag) + 1] ?? '') : '';
  const sinceMs = Number(up) > 0 ? Math.max(0, (uptime() - Number(up)) * 1000) : 0;
  return { at: Math.round(Date.now() - sinceMs), cwd, kind, name, options: optionsOf(words) };
}

function optionsOf(words: Fields): ReadonlyMap<string, string> {
  const options = new Map<string, string>();
  for (let index = 0; index < words.length; index++) {
    const word = words[index] ?? '';
    const isOption = /^[-:][a-z]/i.test(word) && !WITHOUT_VALUE.has(word);
    if (!isOption) continue;
    options.set(word.slice(1), words[index + 1] ?? '');
    index += 1;
  }
  return options;
}

/** A number means an exit code: 0 is PASS, any other FAIL. */
export function statusOfWord(word: string): string {
  if (!/^-?\d+$/.test(word)) return word;
  return Number(word) === 0 ? 'PASS' : 'FAIL';
}
