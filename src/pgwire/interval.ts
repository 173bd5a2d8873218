/** PostgreSQL's binary form of intervals: microseconds, days and months. */
import { formatInterval, parseInterval } from '../sql/values/interval.ts';

const BYTES = 16;

export function intervalToBinary(text: string): Buffer {
  const { months, days, micros } = parseInterval(text);
  const bytes = Buffer.alloc(BYTES);
  bytes.writeBigInt64BE(micros, 0);
  bytes.writeInt32BE(Number(days), 8);
  bytes.writeInt32BE(Number(months), 12);
  return bytes;
}

export function intervalFromBinary(bytes: Buffer): string {
  return formatInterval({
    micros: bytes.readBigInt64BE(0),
    days: BigInt(bytes.readInt32BE(8)),
    months: BigInt(bytes.readInt32BE(12)),
  });
}
