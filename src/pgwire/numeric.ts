/** PostgreSQL's binary form of numeric: digits to the base 10000, with weight, sign and scale. */
import { sqlError } from '../sql/errors.ts';

const SIGN_NEGATIVE = 0x4000;
const SPECIAL: Readonly<Record<string, number>> = {
  NaN: 0xc000,
  Infinity: 0xd000,
  '-Infinity': 0xf000,
};
/** What Postgres puts there for infinities. */
const INFINITE_SCALE = 32;
const GROUP = 4;
const HEAD_BYTES = 8;

export function numericToBinary(text: string): Buffer {
  const special = SPECIAL[text];
  if (special !== undefined) {
    const scale = text === 'NaN' ? 0 : INFINITE_SCALE;
    return head({ count: 0, weight: 0, sign: special, scale });
  }
  const [, minus, whole = '', fraction = ''] = /^(-?)(\d*)(?:\.(\d*))?$/.exec(text) ?? [];
  const padded = whole.padStart(Math.ceil(whole.length / GROUP) * GROUP, '0');
  const after = fraction.padEnd(Math.ceil(fraction.length / GROUP) * GROUP, '0');
  const groups = [...`${padded}${after}`.matchAll(/\d{4}/g)].map(([four]) => Number(four));
  let weight = padded.length / GROUP - 1;
  for (; groups[0] === 0; weight -= 1) groups.shift();
  while (groups.at(-1) === 0) groups.pop();
  const sign = minus === '-' ? SIGN_NEGATIVE : 0;
  const digits = Buffer.alloc(groups.length * 2);
  groups.forEach((group, index) => void digits.writeInt16BE(group, index * 2));
  if (groups.length === 0) weight = 0;
  return Buffer.concat([
    head({ count: groups.length, weight, sign, scale: fraction.length }),
    digits,
  ]);
}

export function numericFromBinary(bytes: Buffer): string {
  if (bytes.length < HEAD_BYTES) throw sqlError('22P03', 'a binary numeric is too short');
  const count = bytes.readUInt16BE(0);
  const weight = bytes.readInt16BE(2);
  const sign = bytes.readUInt16BE(4);
  const scale = bytes.readUInt16BE(6);
  const special = Object.keys(SPECIAL).find((name) => SPECIAL[name] === sign);
  if (special !== undefined) return special;
  if (bytes.length !== HEAD_BYTES + 2 * count) {
    throw sqlError('22P03', 'a binary numeric has the wrong length');
  }
  const groupAt = (power: number): string => {
    const index = weight - power;
    const group = index >= 0 && index < count ? bytes.readUInt16BE(HEAD_BYTES + 2 * index) : 0;
    return String(group).padStart(GROUP, '0');
  };
  let whole = '';
  for (let power = weight; power >= 0; power -= 1) whole += groupAt(power);
  let fraction = '';
  for (let power = -1; fraction.length < scale; power -= 1) fraction += groupAt(power);
  const text = whole.replace(/^0+(?=\d)/, '') || '0';
  const shown = scale === 0 ? text : `${text}.${fraction.slice(0, scale)}`;
  return sign === SIGN_NEGATIVE ? `-${shown}` : shown;
}

function head(facts: { count: number; weight: number; sign: number; scale: number }): Buffer {
  const bytes = Buffer.alloc(HEAD_BYTES);
  bytes.writeUInt16BE(facts.count, 0);
  bytes.writeInt16BE(facts.weight, 2);
  bytes.writeUInt16BE(facts.sign, 4);
  bytes.writeUInt16BE(facts.scale, 6);
  return bytes;
}
