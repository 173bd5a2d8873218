/** Medians and ranges for the programs beside this file. */

export function median(numbers: readonly number[]): number {
  const ordered = numbers.toSorted((a, b) => a - b);
  return ordered[Math.floor(ordered.length / 2)] ?? Number.NaN;
}

/** `0.97 (0.93-1.01)`: median and range. */
export function spread(numbers: readonly number[]): string {
  const text = (value: number) => value.toFixed(2);
  return `${text(median(numbers))} (${text(Math.min(...numbers))}-${text(Math.max(...numbers))})`;
}

/** Milliseconds of processor time that `work` takes: fair even when other programs keep the cores busy. */
export function processorMs(work: () => void): number {
  const start = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(start);
  return (user + system) / 1000;
}
