/** Digests for readers that check themselves: what is scanned for whom, and how much work the queue is. */
import { expect, test } from 'vitest';
import { toLsn } from '../../../src/core/lsn.ts';
import type { Clock } from '../../../src/engine/clock.ts';
import { type CheckedReader, DigestMarkers } from '../../../src/engine/digest-markers.ts';

/** Timers run when the test says so. */
class Timers implements Clock {
  readonly #due: (() => void)[] = [];
  now = () => 0;
  wallMicros = () => 0;
  soon = (run: () => void) => run();
  after(_delayMs: number, run: () => void) {
    this.#due.push(run);
    return { cancel: () => undefined };
  }
  runAll(): void {
    for (const run of this.#due.splice(0)) run();
  }
}

class Reader implements CheckedReader {
  readonly selectors: readonly string[];
  readonly bed: Bed;
  isClosed = false;
  deliveredAt = toLsn(1);
  offers = 0;

  constructor(bed: Bed, selector: string) {
    this.bed = bed;
    this.selectors = [selector];
  }

  get key(): string {
    this.bed.looks += 1;
    return this.selectors.join();
  }

  offer(): void {
    this.offers += 1;
  }
}

class Bed {
  /** How often the queue looked at a reader. */
  looks = 0;
  readonly scans: string[] = [];
  readonly timers = new Timers();
  readonly markers: DigestMarkers;
  /** The scan under way waits for it. */
  gate = Promise.resolve();

  constructor() {
    this.markers = new DigestMarkers({
      clock: this.timers,
      everyMs: 1000,
      scan: async (selectors) => {
        this.scans.push(selectors.join());
        await this.gate;
        return { timeline: 't', ts: toLsn(5), digests: [] };
      },
      onFailure: (error) => {
        throw error;
      },
    });
  }

  reader(selector: string): Reader {
    const reader = new Reader(this, selector);
    this.markers.add(reader);
    return reader;
  }

  async scanned(count: number): Promise<void> {
    await expect.poll(() => this.scans.length).toBe(count);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** Looks that each reader costs from its arrival to its digest, in a crowd that all have selectors of their own. */
async function looksPerReader(count: number): Promise<number> {
  const bed = new Bed();
  const readers = Array.from({ length: count }, (_, at) => bed.reader(`s${at}`));
  await bed.scanned(count);
  expect(readers.every(({ offers }) => offers === 1)).toBe(true);
  for (const reader of readers) reader.deliveredAt = toLsn(9);
  bed.timers.runAll();
  await bed.scanned(2 * count);
  expect(readers.every(({ offers }) => offers === 2)).toBe(true);
  return bed.looks / count;
}

test('a thousand readers with selectors of their own cost as much each as ten do', async () => {
  const few = await looksPerReader(10);
  expect(await looksPerReader(1000)).toBeLessThanOrEqual(few);
  expect(few).toBeLessThanOrEqual(4);
});

test('readers of the same selectors share a scan; one that comes during it gets the next', async () => {
  const bed = new Bed();
  const gate = Promise.withResolvers<void>();
  bed.gate = gate.promise;
  const blocker = bed.reader('A');
  const [first, second] = [bed.reader('B'), bed.reader('B')];
  const late = bed.reader('A');
  gate.resolve();
  await bed.scanned(3);
  expect(bed.scans).toEqual(['A', 'B', 'A']);
  expect([blocker, first, second, late].map(({ offers }) => offers)).toEqual([1, 1, 1, 1]);
});

test('nothing is scanned for readers that left, or for whom nothing changed', async () => {
  const bed = new Bed();
  const gate = Promise.withResolvers<void>();
  bed.gate = gate.promise;
  bed.reader('A');
  const left = bed.reader('B');
  const closed = bed.reader('C');
  const last = bed.reader('D');
  bed.markers.remove(left);
  closed.isClosed = true;
  gate.resolve();
  await bed.scanned(2);
  expect(bed.scans).toEqual(['A', 'D']);
  last.deliveredAt = toLsn(9);
  bed.timers.runAll();
  await bed.scanned(3);
  expect(bed.scans).toEqual(['A', 'D', 'D']);
  expect([left.offers, closed.offers, last.offers]).toEqual([0, 0, 2]);
});
