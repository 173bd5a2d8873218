/**
 * hot path: writes the b-tree of one empty table straight into the file, from rows in ascending order. SQLite
 * takes some 800 ns to insert a row, most of it for binding values; this takes a fifth (bench/perf/snapshot-file.ts).
 *
 * Rows fill leaf pages one after the other; each full leaf gives its number and its last row id to the level
 * above, which does the same. Only what is still open is in memory. Tests let SQLite check the result.
 */
import type { Cell } from '../core/value.ts';
import type { PageFile } from './page-file.ts';
import { RecordEncoder } from './record-encoder.ts';
import type { ReplicaTable } from './replica-table.ts';
import { putVarint, varintSize } from './varint.ts';

const LEAF = 0x0d;
const LEAF_HEADER_BYTES = 8;
const INTERIOR = 0x05;
const INTERIOR_HEADER_BYTES = 12;
/** A child of an interior page: place in the array, page number, row id (8 bytes hold 2^56). */
const CHILD_BYTES_MAX = 2 + 4 + 8;
const POINTER_BYTES = 2;

/** Finished pages of one level that no page above points to yet, each with its last row id. */
type Level = { children: number[]; lastIds: number[] };

export class TablePages {
  readonly #file: PageFile;
  readonly #root: number;
  readonly #keyPosition: number | null;
  readonly #encoder: RecordEncoder;
  readonly #levels: Level[] = [];
  readonly #leaf: Buffer;
  readonly #childrenMax: number;
  #rows = 0;
  /** Where the cells of the leaf begin: they are filled in from its end. */
  #cellsStart: number;
  #lastId: number;

  /** `root`: the table's root page, which is an empty leaf so far. */
  constructor(file: PageFile, table: ReplicaTable, root: number) {
    this.#file = file;
    this.#root = root;
    this.#keyPosition = table.rowIdPosition;
    this.#encoder = new RecordEncoder(table);
    this.#leaf = Buffer.alloc(file.pageSize);
    this.#childrenMax = Math.floor((file.pageSize - INTERIOR_HEADER_BYTES) / CHILD_BYTES_MAX) + 1;
    this.#cellsStart = file.pageSize;
    this.#lastId = this.#keyPosition === null ? 0 : -1;
  }

  /** False when the row cannot be the next one: its key is not above the last, or not plain. */
  add(row: readonly Cell[]): boolean {
    const id = this.#keyPosition === null ? this.#lastId + 1 : row[this.#keyPosition];
    if (typeof id !== 'number' || id <= this.#lastId) return false;
    const { pageSize } = this.#file;
    const encoder = this.#encoder;
    encoder.encode(row);
    const { size } = encoder;
    const local = localSize(size, pageSize);
    const isWhole = local === size;
    const cellSize = varintSize(size) + varintSize(id) + local + (isWhole ? 0 : 4);
    const pointersEnd = LEAF_HEADER_BYTES + (this.#rows + 1) * POINTER_BYTES;
    if (this.#cellsStart - cellSize < pointersEnd) this.#flushLeaf();
    const leaf = this.#leaf;
    const start = this.#cellsStart - cellSize;
    let at = putVarint(leaf, start, size);
    at = putVarint(leaf, at, id);
    encoder.bytes.copy(leaf, at, encoder.start, encoder.start + local);
    if (!isWhole) leaf.writeUInt32BE(this.#appendOverflow(local), at + local);
    const pointer = LEAF_HEADER_BYTES + this.#rows * POINTER_BYTES;
    leaf[pointer] = start >> 8;
    leaf[pointer + 1] = start;
    this.#cellsStart = start;
    this.#rows += 1;
    this.#lastId = id;
    return true;
  }

  /** Ends the tree. The file's header must be written after it. */
  finish(): void {
    if (this.#levels.length === 0) {
      if (this.#rows > 0) this.#file.replace(this.#root, this.#endLeaf());
      return;
    }
    this.#flushLeaf();
    for (let depth = 0; depth < this.#levels.length; depth += 1) {
      const level = this.#levels[depth] ?? { children: [], lastIds: [] };
      const { length } = level.children;
      const isTop = depth === this.#levels.length - 1;
      if (isTop && length <= this.#childrenMax) {
        this.#file.replace(this.#root, this.#interior(level, length));
        return;
      }
      const first = length <= this.#childrenMax ? length : length >> 1;
      this.#flushLevel(depth, first);
      if (first < length) this.#flushLevel(depth, length - first);
    }
  }

  #flushLeaf(): void {
    const number = this.#file.append(this.#endLeaf());
    this.#leaf.fill(0);
    this.#rows = 0;
    this.#cellsStart = this.#file.pageSize;
    this.#addChild(0, number, this.#lastId);
  }

  #endLeaf(): Buffer {
    this.#leaf[0] = LEAF;
    this.#leaf.writeUInt16BE(this.#rows, 3);
    this.#leaf.writeUInt16BE(this.#cellsStart & 0xffff, 5); // 0 stands for 65,536
    return this.#leaf;
  }

  /** Two children stay behind, so that the last page of a level never has only one. */
  #addChild(depth: number, child: number, lastId: number): void {
    const level = this.#levels[depth] ?? { children: [], lastIds: [] };
    this.#levels[depth] = level;
    level.children.push(child);
    level.lastIds.push(lastId);
    if (level.children.length >= this.#childrenMax + 2) this.#flushLevel(depth, this.#childrenMax);
  }

  #flushLevel(depth: number, count: number): void {
    const level = this.#levels[depth] ?? { children: [], lastIds: [] };
    const lastId = level.lastIds[count - 1] ?? 0;
    const number = this.#file.append(this.#interior(level, count));
    level.children.splice(0, count);
    level.lastIds.splice(0, count);
    this.#addChild(depth + 1, number, lastId);
  }

  /** A page above the first `count` children of a level. The last one stands in its header. */
  #interior({ children, lastIds }: Level, count: number): Buffer {
    const page = Buffer.alloc(this.#file.pageSize);
    let start = page.length;
    for (let index = 0; index < count - 1; index += 1) {
      const id = lastIds[index] ?? 0;
      start -= 4 + varintSize(id);
      page.writeUInt32BE(children[index] ?? 0, start);
      putVarint(page, start + 4, id);
      page.writeUInt16BE(start, INTERIOR_HEADER_BYTES + index * POINTER_BYTES);
    }
    page[0] = INTERIOR;
    page.writeUInt16BE(count - 1, 3);
    page.writeUInt16BE(start & 0xffff, 5);
    page.writeUInt32BE(children[count - 1] ?? 0, 8);
    return page;
  }

  /** Appends what does not fit into the leaf as a chain of pages. Returns the first one's number. */
  #appendOverflow(local: number): number {
    const { bytes, start, size } = this.#encoder;
    const page = Buffer.alloc(this.#file.pageSize);
    const first = this.#file.next;
    for (let done = local; done < size; ) {
      const count = Math.min(size - done, page.length - 4);
      const isLast = done + count === size;
      page.writeUInt32BE(isLast ? 0 : this.#file.after(this.#file.next), 0);
      bytes.copy(page, 4, start + done, start + done + count);
      if (isLast) page.fill(0, 4 + count);
      this.#file.append(page);
      done += count;
    }
    return first;
  }
}

/** How much of a record stands in the leaf itself. */
function localSize(size: number, pageSize: number): number {
  const most = pageSize - 35;
  if (size <= most) return size;
  const least = Math.floor(((pageSize - 12) * 32) / 255) - 23;
  const wanted = least + ((size - least) % (pageSize - 4));
  return wanted <= most ? wanted : least;
}
