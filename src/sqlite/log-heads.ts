/** Heads of groups: their rows in `log_group`, and how equal selectors share memory. */
import { crc32 } from 'node:zlib';
import { toLsn } from '../core/lsn.ts';
import type { GroupHead, GroupPart } from '../log/group.ts';
import { corruptLog } from './log-errors.ts';
import { asNumber, asText } from './sql.ts';

const PARTS: readonly GroupPart[] = ['whole', 'open', 'last'];

/** Sharing is given up and begun anew beyond this many names, so that names long gone do not stay for ever. */
const SHARED_NAMES_MAX = 200_000;
/** Longer lists seldom come twice. */
const SHARED_LIST_CHARS_MAX = 128;

/** A list of selectors and the CRC-32 of its JSON text. */
export type PooledSelectors = { readonly list: readonly string[]; readonly crc: number };

/** Gives equal selectors, and equal lists of selectors, one place in memory. */
export class SelectorPool {
  readonly #names = new Map<string, string>();
  readonly #lists = new Map<string, PooledSelectors>();

  /** `json` is the list's JSON text. */
  share(json: string): PooledSelectors {
    const known = this.#lists.get(json);
    if (known !== undefined) return known;
    if (this.#lists.size + this.#names.size > SHARED_NAMES_MAX) {
      this.#lists.clear();
      this.#names.clear();
    }
    const parsed: unknown = JSON.parse(json);
    if (!Array.isArray(parsed)) throw corruptLog('a list of selectors is not a list');
    const list = parsed.map((name) => this.#shareName(String(name)));
    const pooled = { list, crc: crc32(json) };
    if (json.length <= SHARED_LIST_CHARS_MAX) this.#lists.set(json, pooled);
    return pooled;
  }

  #shareName(name: string): string {
    const known = this.#names.get(name);
    if (known !== undefined) return known;
    this.#names.set(name, name);
    return name;
  }
}

export const HEAD_COLUMNS =
  'seq, first_ts, last_ts, part, tx_count, min_txid, max_txid, has_all, size_bytes, first_seq, selectors, head_crc';

/** Reads and writes rows of `HEAD_COLUMNS`: opening a log reads every head there is. */
export class HeadCodec {
  readonly #pool: SelectorPool;
  readonly #numbers = new Float64Array(10);
  readonly #bytes = new Uint8Array(this.#numbers.buffer);

  constructor(pool: SelectorPool) {
    this.#pool = pool;
  }

  /** The values of `HEAD_COLUMNS`. `json` is the JSON text of the selectors, `firstSeq` what it was merged from. */
  rowOf(head: GroupHead, firstSeq: number, json: string): (number | string)[] {
    const numbers = [
      head.seq,
      head.firstTs,
      head.lastTs,
      PARTS.indexOf(head.part),
      head.txCount,
      head.minTxid,
      head.maxTxid,
      head.hasAll ? 1 : 0,
      head.sizeBytes,
      firstSeq,
    ];
    return [...numbers, json, this.#crc(numbers, this.#pool.share(json))];
  }

  /** Reads a row, as an array, of the group that begins with number `expectedSeq`. Throws `LOG_CORRUPT`. */
  headOf(row: readonly unknown[], expectedSeq: number): GroupHead {
    const selectors = this.#pool.share(asText(row[10]));
    const isIntact = this.#crc(row, selectors) === row[11];
    const [seq = 0, firstTs = 0, lastTs = 0, part = 0, txCount = 0, minTxid = 0, maxTxid = 0] =
      this.#numbers;
    const partName = PARTS[part];
    if (partName === undefined || !isIntact) {
      throw corruptLog(`the head of group ${seq} fails its checksum`);
    }
    if (this.#numbers[9] !== expectedSeq) throw corruptLog(`group ${expectedSeq} is missing`);
    return {
      seq,
      firstTs: toLsn(firstTs),
      lastTs: toLsn(lastTs),
      part: partName,
      txCount,
      maxTxid,
      minTxid,
      selectors: selectors.list,
      hasAll: this.#numbers[7] === 1,
      sizeBytes: this.#numbers[8] ?? 0,
    };
  }

  #crc(numbers: readonly unknown[], selectors: PooledSelectors): number {
    for (let index = 0; index < this.#numbers.length; index += 1) {
      this.#numbers[index] = asNumber(numbers[index]);
    }
    return crc32(this.#bytes, selectors.crc);
  }
}
