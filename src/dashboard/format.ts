/** Numbers as people read them. */

const BYTE_UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];

/** `1.4 MiB`; three digits that count. */
export function bytes(value: number | null | undefined): string {
  if (value === null || value === undefined) return 'not known';
  let size = value;
  let unit = 0;
  while (Math.abs(size) >= 1024 && unit < BYTE_UNITS.length - 1) {
    size /= 1024;
    unit += 1;
  }
  return `${unit === 0 ? Math.round(size) : digits(size)} ${BYTE_UNITS[unit]}`;
}

/** `12,345`. */
export function count(value: number | null | undefined): string {
  return value === null || value === undefined
    ? 'not known'
    : Math.round(value).toLocaleString('en-US');
}

/** `12.3`, `1,234`. */
export function rate(value: number): string {
  return value >= 100 ? count(value) : digits(value);
}

/** `40 ms`, `2.5 s`, `3 min 20 s`, `5 h 2 min`, `3 d 4 h`. */
export function seconds(value: number | null | undefined): string {
  if (value === null || value === undefined) return 'not known';
  if (value < 1) return `${Math.round(value * 1000)} ms`;
  if (value < 60) return `${value < 10 ? Math.round(value * 10) / 10 : Math.round(value)} s`;
  return longSeconds(Math.round(value));
}

function longSeconds(total: number): string {
  const two = (size: number, name: string, inner: number, innerName: string): string => {
    const rest = Math.floor((total % size) / inner);
    return `${Math.floor(total / size)} ${name}${rest === 0 ? '' : ` ${rest} ${innerName}`}`;
  };
  if (total < 3600) return two(60, 'min', 1, 's');
  return total < 86_400 ? two(3600, 'h', 60, 'min') : two(86_400, 'd', 3600, 'h');
}

/** `14:03:59` in the time of the reader. */
export function clockTime(ms: number): string {
  return new Date(ms).toLocaleTimeString('en-GB');
}

/** `22 Nov 14:03:59.123`. */
export function dateTime(ms: number): string {
  const date = new Date(ms);
  const day = date.toLocaleDateString('en-GB', { day: 'numeric', month: 'short' });
  return `${day} ${clockTime(ms)}.${String(date.getMilliseconds()).padStart(3, '0')}`;
}

function digits(value: number): string {
  const magnitude = Math.abs(value);
  if (magnitude >= 100 || Number.isInteger(value)) return `${Math.round(value)}`;
  return value.toFixed(magnitude >= 10 ? 1 : 2).replace(/\.?0+$/, '');
}
