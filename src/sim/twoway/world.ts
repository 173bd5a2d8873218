/**
 * Sites that write the same rows, offline and at once, and a server that merges: first with everything that may break,
 * then calmly, until all of them show the same.
 */
import { hashText } from '../../core/digest.ts';
import { merge, type RowState, UNKNOWN_ROW } from '../../merge/row-state.ts';
import { Chance } from '../chance.ts';
import type { NetworkOptions } from '../plan.ts';
import { Life, Scheduler } from '../scheduler.ts';
import { Trace } from '../trace.ts';
import type { SeenRows, TwowayObserver } from './evidence.ts';
import { type MergeBug, MergeServer } from './merge-server.ts';
import type { TwowayAction, TwowayFault, TwowayPlan, WriteAction } from './plan.ts';
import { Site } from './site.ts';
import { changeBy, SiteDisk } from './site-disk.ts';
import { type Change, textOf } from './table.ts';

export type TwowayBug = MergeBug | 'settled-too-early';

export type TwowayResult = {
  readonly hash: string;
  readonly steps: number;
  /** What is wrong, by property; empty when nothing is. */
  readonly findings: readonly { readonly property: string; readonly witness: readonly string[] }[];
  readonly seen: ReadonlyMap<string, number>;
};

const LIVENESS_MS = 90_000;
const STEPS_MAX = 40_000;
const ORDERS = 3;

export type TwowayOptions = {
  readonly bug?: TwowayBug | undefined;
  readonly observer?: TwowayObserver | undefined;
  readonly onLine?: ((line: string) => void) | undefined;
};

export async function runTwoway(
  plan: TwowayPlan,
  options: TwowayOptions = {},
): Promise<TwowayResult> {
  return new TwowayWorld(plan, options).run();
}

type Writer = { readonly name: string; readonly disk: SiteDisk; readonly site: Site };

class TwowayWorld {
  readonly #plan: TwowayPlan;
  readonly #scheduler: Scheduler;
  readonly #chance: Chance;
  readonly #server: MergeServer;
  readonly #writers: ReadonlyMap<string, Writer>;
  readonly #network: { -readonly [K in keyof NetworkOptions]: NetworkOptions[K] };
  /** Everything that anybody ever wrote, by whom; null is Postgres. */
  readonly #written: { readonly by: string | null; readonly change: Change }[] = [];
  readonly #findings: { property: string; witness: string[] }[] = [];
  readonly #seen = new Map<string, number>();
  readonly #observer: TwowayObserver | undefined;

  constructor(plan: TwowayPlan, { bug = null, observer, onLine }: TwowayOptions) {
    this.#plan = plan;
    this.#observer = observer;
    this.#chance = new Chance(plan.seed, 'two-way');
    this.#scheduler = new Scheduler(new Trace(onLine ?? null));
    const isHasty = bug === 'settled-too-early';
    this.#server = new MergeServer(isHasty ? null : bug);
    this.#network = { ...plan.network };
    const life = new Life();
    const server = { server: this.#server, life };
    const writers = plan.sites.map((name) => this.#newWriter(name, isHasty, server));
    this.#writers = new Map(writers.map((writer) => [writer.name, writer]));
  }

  #newWriter(name: string, isHasty: boolean, server: { server: MergeServer; life: Life }): Writer {
    const disk = new SiteDisk(siteIdOf(name), isHasty);
    const site = new Site({
      ...{ name, disk, scheduler: this.#scheduler, network: this.#network },
      chance: this.#chance.stream(`site ${name}`),
      server: () => server,
      note: (what, times) => this.#note(what, times),
      onShown: () => this.#checkShown(name),
    });
    return { name, disk, site };
  }

  async run(): Promise<TwowayResult> {
    const scheduler = this.#scheduler;
    const { safetyMs, actions } = this.#plan;
    for (const { site } of this.#writers.values()) site.start();
    for (const action of actions) this.#schedule(action);
    const safety = { isDone: () => false, untilMs: safetyMs, stepsMax: STEPS_MAX };
    if ((await scheduler.run(safety)) !== 'failed') {
      this.#calm();
      const untilMs = safetyMs + LIVENESS_MS;
      await scheduler.run({ isDone: () => this.#isAtRest(), untilMs, stepsMax: STEPS_MAX });
    }
    this.#judge();
    this.#tellEnd();
    for (const { site } of this.#writers.values()) site.kill();
    this.#note('uploads arrived twice', this.#server.repeated);
    const [hash, steps] = [scheduler.trace.finish(), scheduler.steps];
    return { hash, steps, findings: this.#findings, seen: this.#seen };
  }

  #schedule(action: TwowayAction): void {
    if (action.kind === 'write') {
      const what = `write by ${action.site ?? 'Postgres'}`;
      this.#scheduler.after(action.at, what, () => this.#write(action));
      return;
    }
    this.#scheduler.after(action.at, `${action.fault} ${action.site}`, () => this.#break(action));
  }

  /** A site writes into its file, whether its process runs or not. */
  #write({ site: by, writes }: WriteAction): void {
    if (by !== null) {
      const writer = this.#writers.get(by);
      if (writer === undefined) return;
      this.#tellRows(by, writer.disk.view());
      const changes = writer.disk.write(writes);
      if (changes.length > 0) this.#observer?.written({ t: this.#scheduler.now, site: by, writes });
      for (const change of changes) this.#written.push({ by, change });
      writer.site.written();
      this.#checkShown(by);
      return;
    }
    this.#tellRows(null, this.#serverRows());
    this.#observer?.written({ t: this.#scheduler.now, site: null, writes });
    for (const write of writes) {
      const state = changeBy(this.#server.stateOf(write.key), write);
      if (state === null) continue;
      const change = { key: write.key, state };
      this.#written.push({ by, change });
      this.#server.write([change]);
    }
  }

  #break({ fault, site: name, ms, point }: TwowayFault): void {
    const site = this.#writers.get(name)?.site;
    if (site === undefined) return;
    const { link } = site;
    this.#note(`two-way ${fault}`);
    if (fault === 'cut') link.cut();
    else if (fault === 'crash') site.crashAt(point ?? '');
    else if (fault === 'kill') {
      site.kill();
      this.#scheduler.after(ms, 'start again', () => site.start());
    } else {
      link.isPartitioned = true;
      this.#scheduler.after(ms, 'partition mended', () => link.mend());
    }
  }

  #calm(): void {
    Object.assign(this.#network, { breaks: 0, repeats: 0 });
    for (const { site } of this.#writers.values()) {
      site.link.mend();
      site.crashAt('');
      site.start();
    }
  }

  #isAtRest(): boolean {
    const { position } = this.#server;
    const writers = [...this.#writers.values()];
    return writers.every(({ disk }) => disk.isQuiet && disk.position === position);
  }

  /** What a site wrote shows there at once and always: it, or what has won over it. */
  #checkShown(site: string): void {
    const rows = this.#writers.get(site)?.disk.view() ?? new Map<string, RowState>();
    this.#tellRows(site, rows);
    for (const { by, change } of this.#written) {
      if (by !== site) continue;
      const shown = rows.get(change.key) ?? UNKNOWN_ROW;
      if (merge(shown, change.state) === shown) continue;
      const text = `${change.key} ${textOf(change.state)}`;
      this.#find('P9', `${site} wrote ${text} and shows ${textOf(shown)}`);
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
    const server = textsOf(this.#serverRows());
    for (const { name, disk } of this.#writers.values()) {
      if (this.#server.lastOf(disk.site) !== disk.last) {
        const counted = this.#server.lastOf(disk.site);
        this.#find('P2', `${disk.last} transactions of ${name} count ${counted}`);
      }
      const here = textsOf(disk.view());
      if (here !== server) this.#find('P12', `${name} shows ${here}, Postgres ${server}`);
    }
    for (let order = 0; order < ORDERS; order += 1) {
      const expected = textsOf(this.#mergedInOrder(this.#chance.stream(`order ${order}`)));
      if (expected !== server)
        this.#find('P12', `all changes make ${expected}, Postgres has ${server}`);
    }
  }

  #tellRows(site: string | null, rows: SeenRows): void {
    this.#observer?.seen({ t: this.#scheduler.now, site, rows });
  }

  #tellEnd(): void {
    const sites = [...this.#writers.values()].map(({ name, disk }) => [name, disk.view()] as const);
    this.#observer?.ended({
      ...{ t: this.#scheduler.now, isAtRest: this.#isAtRest(), server: this.#serverRows() },
      sites: new Map(sites),
    });
  }

  #serverRows(): Map<string, RowState> {
    return new Map([...this.#server.rows].map(([key, { state }]) => [key, state]));
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

/** The id that the server knows a site by: the same for the same name, whoever else there is. */
function siteIdOf(name: string): string {
  return `00000000-0000-4000-8000-${(hashText(name) >>> 0).toString(16).padStart(12, '0')}`;
}

function textsOf(rows: ReadonlyMap<string, RowState>): string {
  const texts = [...rows].map(([key, state]) => `${key}: ${textOf(state)}`);
  return texts.sort().join(', ') || 'nothing';
}
