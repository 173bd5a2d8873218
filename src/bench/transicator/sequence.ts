/** `hi.lo.index`: three hexadecimal numbers, ordered by the first two together and then by the third. */

/** Negative when `a` is before `b`. An empty text is before everything. */
export function compareSequences(a: string, b: string): number {
  const [left, right] = [numberOf(a), numberOf(b)];
  return left < right ? -1 : left > right ? 1 : 0;
}

/** The two halves as Postgres prints a position; the index says nothing outside its transaction. */
export function positionOf(sequence: string): string {
  const [high = '0', low = '0'] = sequence.split('.');
  return `${high.toUpperCase()}/${low.toUpperCase()}`;
}

/** A position that Postgres printed, as the number to compare with. */
export function sequenceOf(position: string): string {
  const [high = '0', low = '0'] = position.toLowerCase().split('/');
  return `${high}.${low}.0`;
}

function numberOf(sequence: string): bigint {
  if (sequence === '') return 0n;
  const match = /^([0-9a-f]{1,8})\.([0-9a-f]{1,8})\.([0-9a-f]{1,8})$/.exec(sequence);
  if (match === null) throw new Error(`this is no sequence: ${sequence}`);
  const [high = '', low = '', index = ''] = match.slice(1);
  return (BigInt(`0x${high}`) << 64n) + (BigInt(`0x${low}`) << 32n) + BigInt(`0x${index}`);
}
