/** Heads of groups: their rows in `log_group`, and how equal selectors share memory. */
import { crc32 } from 'node:zlib';
import { toLsn } from '../core/lsn.ts';
import type { GroupHead, GroupPart } from '../log/group.ts';
import { corruptLog } from './log-errors.ts';
import { asNumber, asText } from './sql.ts';

const PARTS: readonly GroupPart[] = ['whole', 'open', 'last'];

/** Sharing is given up and begun anew beyond this many names, so that names long gone do not stay for ever. */
const SHARED_NAMES_MAX = 200_000;

/** Gives equal selectors, and equal lists of selectors, one place in memory. */
export class SelectorPool {
  readonly #names = new Map<string, string>();
  readonly #lists = new Map<string, readonly string[]>();

  /** `json` is the list's JSON text. */
  share(json: string): readonly string[] {
    const known = this.#lists.get(json);
    if (known !== undefined) return known;
    if (this.#lists.size + this.#names.size > SHARED_NAMES_MAX) {
      this.#lists.clear();
      this.#names.clear();
    }
    const parsed: unknown = JSON.parse(json);
    if (!Array.isArray(parsed)) throw corruptLog('a list of selectors is not a list');
    const list = parsed.map((name) => this.#shareName(String(name)));
    this.#lists.set(json, list);
    return list;
  }

  #shareName(name: string): string {
    const known = this.#names.get(name);
    if (known !== undefined) return known;
    this.#names.set(name, name);
    return name;
  }
}

export const HEAD_COLUMNS =
  'seq, first_ts, last_ts, part, tx_count, min_txid, max_txid, has_all, size_bytes, selectors, head_crc';

/** The values of `HEAD_COLUMNS`. */
export function rowOfHead(head: GroupHead, selectors: string): (number | string)[] {
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
  ];
  return [...numbers, selectors, headCrc(numbers, selectors)];
}

/** Reads a row of `HEAD_COLUMNS`, as an array. Throws `LOG_CORRUPT`. */
export function headOfRow(row: readonly unknown[], pool: SelectorPool): GroupHead {
  const numbers = row.slice(0, 9).map(asNumber);
  const selectors = asText(row[9]);
  const [seq = 0, firstTs = 0, lastTs = 0, part = 0, txCount = 0, minTxid = 0, maxTxid = 0] =
    numbers;
  const partName = PARTS[part];
  if (partName === undefined || headCrc(numbers, selectors) !== row[10]) {
    throw corruptLog(`the head of group ${seq} fails its checksum`);
  }
  return {
    seq,
    firstTs: toLsn(firstTs),
    lastTs: toLsn(lastTs),
    part: partName,
    txCount,
    maxTxid,
    minTxid,
    selectors: pool.share(selectors),
    hasAll: numbers[7] === 1,
    sizeBytes: numbers[8] ?? 0,
  };
}

function headCrc(numbers: readonly number[], selectors: string): number {
  return crc32(selectors, crc32(numbers.join()));
}
