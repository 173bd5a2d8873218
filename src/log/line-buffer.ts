/**
 * hot path: collects ready-to-send lines and notes which segment each belongs to.
 *
 * Writers put bytes into `bytes` at `length` themselves (after `reserve`) and then call `endLine`.
 */
import { assert } from '../core/assert.ts';
import { SEGMENT_ALL, SEGMENT_NONE } from './group.ts';

const INITIAL_BYTES = 64 * 1024;

export class LineBuffer {
  bytes: Uint8Array = new Uint8Array(INITIAL_BYTES);
  length = 0;
  #ids: number[] = [];
  #ends: number[] = [];
  #subxids: number[] = [];
  #selectors = new Map<string, number>();
  /** Segments before this one are closed for good: the next line opens a new one. */
  #closedBefore = 0;

  get segmentCount(): number {
    return this.#ids.length;
  }

  get selectors(): readonly string[] {
    return [...this.#selectors.keys()];
  }

  /** True when some line goes to everybody. */
  get hasAll(): boolean {
    return this.#ids.includes(SEGMENT_ALL);
  }

  /** Makes room for `extra` bytes after `length`. */
  reserve(extra: number): void {
    if (this.length + extra <= this.bytes.length) return;
    const grown = new Uint8Array(Math.max(this.bytes.length * 2, this.length + extra));
    grown.set(this.bytes.subarray(0, this.length));
    this.bytes = grown;
  }

  append(line: Uint8Array): void {
    this.reserve(line.length);
    this.bytes.set(line, this.length);
    this.length += line.length;
  }

  /** The local id of a selector in this buffer. */
  selectorId(selector: string): number {
    const known = this.#selectors.get(selector);
    if (known !== undefined) return known;
    const id = this.#selectors.size;
    assert(id < SEGMENT_ALL, 'a group has fewer than 2^32 selectors');
    this.#selectors.set(selector, id);
    return id;
  }

  /** Files what was written since the last call under `id` (a local selector id or SEGMENT_*). */
  endLine(id: number, subxid: number): void {
    const last = this.#ids.length - 1;
    if (last >= this.#closedBefore && this.#ids[last] === id && this.#subxids[last] === subxid) {
      this.#ends[last] = this.length;
      return;
    }
    this.#ids.push(id);
    this.#ends.push(this.length);
    this.#subxids.push(subxid);
  }

  /** The next line starts a new segment, whatever its selector: a transaction ended here. */
  closeSegment(): void {
    this.#closedBefore = this.#ids.length;
  }

  /** Appends lines that were filed in another buffer; segments of nobody are left out. */
  appendSegments(part: {
    readonly body: Uint8Array;
    readonly segments: Uint32Array;
    readonly subxids: Uint32Array;
    readonly selectors: readonly string[];
  }): void {
    let start = 0;
    for (let index = 0; index < part.subxids.length; index += 1) {
      const id = part.segments[index * 2] ?? 0;
      const end = part.segments[index * 2 + 1] ?? 0;
      if (id !== SEGMENT_NONE) {
        this.append(part.body.subarray(start, end));
        const selector = part.selectors[id];
        this.endLine(
          selector === undefined ? id : this.selectorId(selector),
          part.subxids[index] ?? 0,
        );
      }
      start = end;
    }
  }

  /** Copies of everything collected from segment `from` (its first byte is `fromByte`) on. */
  copy(
    from: number,
    fromByte: number,
  ): {
    body: Uint8Array;
    segments: Uint32Array;
    subxids: Uint32Array;
  } {
    const count = this.#ids.length - from;
    const segments = new Uint32Array(count * 2);
    const subxids = new Uint32Array(count);
    for (let index = 0; index < count; index += 1) {
      segments[index * 2] = this.#ids[from + index] ?? 0;
      segments[index * 2 + 1] = (this.#ends[from + index] ?? 0) - fromByte;
      subxids[index] = this.#subxids[from + index] ?? 0;
    }
    return { body: this.bytes.slice(fromByte, this.length), segments, subxids };
  }

  /** Forgets everything from segment `from` on. */
  truncate(from: number, fromByte: number): void {
    this.#ids.length = from;
    this.#ends.length = from;
    this.#subxids.length = from;
    this.#closedBefore = Math.min(this.#closedBefore, from);
    this.length = fromByte;
  }

  clear(): void {
    this.truncate(0, 0);
    this.#selectors = new Map();
  }
}
