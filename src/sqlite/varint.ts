/** SQLite's numbers of variable length: seven bits a byte, most significant first. Below 2^53 here. */

export function varintSize(value: number): number {
  if (value < 0x80) return 1;
  let size = 2;
  for (let limit = 0x4000; value >= limit; limit *= 0x80) size += 1;
  return size;
}

/** Returns where it ends. */
export function putVarint(bytes: Uint8Array, at: number, value: number): number {
  if (value < 0x80) {
    bytes[at] = value;
    return at + 1;
  }
  if (value < 0x4000) {
    bytes[at] = (value >> 7) | 0x80;
    bytes[at + 1] = value & 0x7f;
    return at + 2;
  }
  const size = varintSize(value);
  let rest = value;
  for (let index = size - 1; index >= 0; index -= 1) {
    bytes[at + index] = (rest % 0x80) | (index === size - 1 ? 0 : 0x80);
    rest = Math.floor(rest / 0x80);
  }
  return at + size;
}
