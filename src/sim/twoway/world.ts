/**
 * Sites that write the same rows, offline and at once, and a server that merges: first with everything that may break,
 * then calmly, until all of them show the same.
 */
import { UPLOAD_CRASH_POINTS } from '../../client/crash-points.ts';
import { merge, type RowState, UNKNOWN_ROW } from '../../merge/row-state.ts';
import { Chance } from '../chance.ts';
import { Life, Scheduler } from '../scheduler.ts';
import { Trace } from '../trace.ts';
import { type MergeBug, MergeServer } from './merge-server.ts';
import { Site } from './site.ts';
import { changeBy, SiteDisk, type Write } from './site-disk.ts';
import { type Change, textOf } from './table.ts';

export type TwowayBug = MergeBug | 'settled-too-early';

export type TwowayResult = {
  readonly hash: string;
  readonly steps: number;
  /** What is wrong, by property; empty when nothing is. */
  readonly findings: readonly { readonly property: string; readonly witness: readonly string[] }[];
  readonly seen: ReadonlyMap<string, number>;
};

const SAFETY_MS = 15_000;
const LIVENESS_MS = 90_000;
const STEPS_MAX = 40_000;
const SITES = { least: 2, most: 4 };
const WRITES = { least: 10, most: 40 };
const KEYS = ['k1', 'k2', 'k3', 'k4'];
const ORDERS = 3;

export async function runTwoway(
  seed: number,
  bug: TwowayBug = null,
  onLine: ((line: string) => void) | null = null,
): Promise<TwowayResult> {
  const world = new TwowayWorld(seed, bug, onLine);
  return world.run();
}

class TwowayWorld {
  readonly #scheduler: Scheduler;
  readonly #chance: Chance;
  readonly #server: MergeServer;
  readonly #disks: readonly SiteDisk[];
  readonly #sites: readonly Site[];
  readonly #network: {
    delayMsMin: number;
    delayMsMax: number;
    breaks: number;
    repeats: number;
    splits: number;
    windowBytes: number;
  };
  /** Everything that anybody ever wrote, by whom. */
  readonly #written: { readonly by: number; readonly change: Change }[] = [];
  readonly #findings: { property: string; witness: string[] }[] = [];
  readonly #seen = new Map<string, number>();
  #values = 0;

  constructor(seed: number, bug: TwowayBug, onLine: ((line: string) => void) | null) {
    this.#chance = new Chance(seed, 'two-way');
    this.#scheduler = new Scheduler(new Trace(onLine));
    const isHasty = bug === 'settled-too-early';
    this.#server = new MergeServer(isHasty ? null : bug);
    const chance = this.#chance;
    this.#network = {
      ...{ delayMsMin: 0, delayMsMax: chance.pick([5, 50, 400]), splits: 0, windowBytes: 100_000 },
      breaks: chance.pick([0, 0.05, 0.2]),
      repeats: chance.pick([0, 0.2, 0.6]),
    };
    const count = chance.between(SITES.least, SITES.most);
    this.#disks = Array.from({ length: count }, (_, index) => {
      return new SiteDisk(`00000000-0000-4000-8000-00000000000${index}`, isHasty);
    });
    const life = new Life();
    this.#sites = this.#disks.map(
      (disk, index) =>
        new Site({
          ...{ name: `s${index + 1}`, disk, scheduler: this.#scheduler, network: this.#network },
          chance: chance.stream(`site ${index}`),
          server: () => ({ server: this.#server, life }),
          note: (what, times) => this.#note(what, times),
          onShown: () => this.#checkShown(index),
        }),
    );
  }

  async run(): Promise<TwowayResult> {
    const scheduler = this.#scheduler;
    for (const site of this.#sites) site.start();
    this.#plan();
    const safety = { isDone: () => false, untilMs: SAFETY_MS, stepsMax: STEPS_MAX };
    if ((await scheduler.run(safety)) !== 'failed') {
      this.#calm();
      const untilMs = SAFETY_MS + LIVENESS_MS;
      await scheduler.run({ isDone: () => this.#isAtRest(), untilMs, stepsMax: STEPS_MAX });
    }
    this.#judge();
    for (const site of this.#sites) site.kill();
    this.#note('uploads arrived twice', this.#server.repeated);
    const [hash, steps] = [scheduler.trace.finish(), scheduler.steps];
    return { hash, steps, findings: this.#findings, seen: this.#seen };
  }

  #plan(): void {
    const chance = this.#chance.stream('plan');
    const count = chance.between(WRITES.least, WRITES.most);
    for (let index = 0; index < count; index += 1) {
      const by = chance.between(-1, this.#sites.length - 1);
      const writes = Array.from({ length: chance.between(1, 3) }, () => this.#drawWrite(chance));
      this.#scheduler.after(chance.between(0, SAFETY_MS - 500), `write by ${by}`, () =>
        this.#write(by, writes),
      );
    }
    const faults = chance.between(0, 6);
    for (let index = 0; index < faults; index += 1) {
      const site = chance.pick(this.#sites);
      const at = chance.between(100, SAFETY_MS - 500);
      const kind = chance.pick(['kill', 'crash', 'partition', 'cut'] as const);
      const point = chance.pick(UPLOAD_CRASH_POINTS);
      const ms = chance.pick([100, 2000, 8000]);
      this.#scheduler.after(at, `${kind} ${site.link.name}`, () =>
        this.#break(site, kind, point, ms),
      );
    }
  }

  #drawWrite(chance: Chance): Write {
    this.#values += 1;
    const kind = chance.pick(['put', 'put', 'put', 'delete', 'replace'] as const);
    // Few values, so that equal versions with equal values come up too.
    const a = chance.pick(['', 'x', 'y', `${this.#values}`]);
    return { kind, key: chance.pick(KEYS), a, b: BigInt(chance.between(-2, 2)) };
  }

  /** A site writes into its file, whether its process runs or not; -1 writes in Postgres. */
  #write(by: number, writes: readonly Write[]): void {
    const disk = this.#disks[by];
    if (disk !== undefined) {
      for (const change of disk.write(writes)) this.#written.push({ by, change });
      this.#sites[by]?.written();
      this.#checkShown(by);
      return;
    }
    for (const write of writes) {
      const state = changeBy(this.#server.stateOf(write.key), write);
      if (state === null) continue;
      const change = { key: write.key, state };
      this.#written.push({ by, change });
      this.#server.write([change]);
    }
  }

  #break(
    site: Site,
    kind: 'kill' | 'crash' | 'partition' | 'cut',
    point: string,
    ms: number,
  ): void {
    const { link } = site;
    this.#note(`two-way ${kind}`);
    if (kind === 'cut') link.cut();
    else if (kind === 'crash') site.crashAt(point);
    else if (kind === 'kill') {
      site.kill();
      this.#scheduler.after(ms, 'start again', () => site.start());
    } else {
      link.isPartitioned = true;
      this.#scheduler.after(ms, 'partition mended', () => link.mend());
    }
  }

  #calm(): void {
    Object.assign(this.#network, { breaks: 0, repeats: 0 });
    for (const site of this.#sites) {
      site.link.mend();
      site.crashAt('');
      site.start();
    }
  }

  #isAtRest(): boolean {
    const { position } = this.#server;
    return this.#disks.every((disk) => disk.isQuiet && disk.position === position);
  }

  /** What a site wrote shows there at once and always: it, or what has won over it. */
  #checkShown(site: number): void {
    const rows = this.#disks[site]?.view() ?? new Map<string, RowState>();
    for (const { by, change } of this.#written) {
      if (by !== site) continue;
      const shown = rows.get(change.key) ?? UNKNOWN_ROW;
      if (merge(shown, change.state) === shown) continue;
      const text = `${change.key} ${textOf(change.state)}`;
      this.#find('P9', `s${site + 1} wrote ${text} and shows ${textOf(shown)}`);
      return;
    }
  }

  #judge(): void {
    const { failure } = this.#scheduler;
    if (failure !== null) {
      const text = failure instanceof Error ? (failure.stack ?? failure.message) : String(failure);
      this.#find('P31', text);
      return;
    }
    if (!this.#isAtRest()) this.#find('P27', 'the sites did not come to rest');
    const server = textsOf(new Map([...this.#server.rows].map(([key, { state }]) => [key, state])));
    for (const [index, disk] of this.#disks.entries()) {
      if (this.#server.lastOf(disk.site) !== disk.last) {
        this.#find(
          'P2',
          `${disk.last} transactions of s${index + 1} count ${this.#server.lastOf(disk.site)}`,
        );
      }
      const here = textsOf(disk.view());
      if (here !== server) this.#find('P12', `s${index + 1} shows ${here}, Postgres ${server}`);
    }
    for (let order = 0; order < ORDERS; order += 1) {
      const expected = textsOf(this.#mergedInOrder(this.#chance.stream(`order ${order}`)));
      if (expected !== server)
        this.#find('P12', `all changes make ${expected}, Postgres has ${server}`);
    }
  }

  /** Every change of everybody, in an order of its own: what must come out. */
  #mergedInOrder(chance: Chance): Map<string, RowState> {
    const order = this.#written.map(({ change }) => ({ change, at: chance.next() }));
    const rows = new Map<string, RowState>();
    for (const { change } of order.sort((a, b) => a.at - b.at)) {
      rows.set(change.key, merge(rows.get(change.key) ?? UNKNOWN_ROW, change.state));
    }
    return rows;
  }

  #find(property: string, witness: string): void {
    if (!this.#findings.some((known) => known.property === property)) {
      this.#findings.push({ property, witness: [witness] });
    }
  }

  #note(what: string, times = 1): void {
    if (times > 0) this.#seen.set(what, (this.#seen.get(what) ?? 0) + times);
  }
}

function textsOf(rows: ReadonlyMap<string, RowState>): string {
  const texts = [...rows].map(([key, state]) => `${key}: ${textOf(state)}`);
  return texts.sort().join(', ');
}
