/** One replica that writes: its file, and the process with the product's uploader, which is killed and started again. */
import { ServerApi } from '../../client/server-api.ts';
import { UploadApi } from '../../client/upload-api.ts';
import { Uploader } from '../../client/uploader.ts';
import { formatLsn, type Lsn, parseLsn } from '../../core/lsn.ts';
import { cellFromText } from '../../core/value.ts';
import type { ColumnState } from '../../merge/row-state.ts';
import type { Chance } from '../chance.ts';
import { Link, type Server, SimTransport } from '../network.ts';
import type { NetworkOptions } from '../plan.ts';
import { Life, type Scheduler, SimulatedCrash } from '../scheduler.ts';
import { TIMELINE } from './merge-server.ts';
import type { SiteDisk } from './site-disk.ts';
import { type Change, NOTES } from './table.ts';

export type SiteOptions = {
  readonly name: string;
  readonly disk: SiteDisk;
  readonly scheduler: Scheduler;
  readonly chance: Chance;
  readonly network: NetworkOptions;
  readonly server: () => { readonly server: Server; readonly life: Life };
  readonly note: (what: string, count?: number) => void;
  /** Called after everything that changes what is shown. */
  readonly onShown: () => void;
};

const FOLLOW_MS = { least: 100, most: 1200 };
const REQUEST_MS_MAX = 10_000;

type BaseAnswer = {
  readonly position: string;
  readonly rows: readonly (readonly [
    key: string,
    cl: number,
    columns: readonly (readonly [name: string, version: number, value: string])[],
  ])[];
};

export class Site {
  readonly link: Link;
  readonly #options: SiteOptions;
  #life = new Life();
  #lives = 0;
  #uploader: Uploader | null = null;
  #crashAt: string | null = null;

  constructor(options: SiteOptions) {
    this.#options = options;
    this.link = new Link(options.name);
    this.#life.end();
  }

  get isRunning(): boolean {
    return !this.#life.isOver;
  }

  start(): void {
    if (this.isRunning) return;
    const { scheduler, chance, network, server, note, disk, name } = this.#options;
    const life = new Life();
    this.#life = life;
    this.#lives += 1;
    const draws = chance.stream(`${name} life ${this.#lives}`);
    const api = new ServerApi(
      new SimTransport({
        context: { scheduler, network, link: this.link, chance: draws },
        ...{ client: life, server, note },
      }),
    );
    const clock = {
      now: () => scheduler.now,
      after: (delayMs: number, callback: () => void) => {
        const task = scheduler.after(delayMs, `${name}: timer`, callback, life);
        return () => task.cancel();
      },
    };
    const uploader = new Uploader({
      ...{ api: new UploadApi(api), clock, random: () => draws.next() },
      local: () => disk,
      user: () => '',
      identify: async () => undefined,
      identity: () => ({
        ...{ replica: name, server: '', timeline: TIMELINE, position: disk.position },
        ...{ selectors: [], schemaVersion: 0 },
      }),
      resync: () => void scheduler.after(50, `${name}: resynced`, () => uploader.ready(), life),
      onEvent: (event) => {
        if (event.kind === 'error' && !life.isOver) note(`upload: ${event.error.code}`);
        if (event.kind === 'sent') note('uploads');
      },
      crashPoint: (point) => this.#pass(point, life),
    });
    this.#uploader = uploader;
    uploader.start();
    uploader.ready();
    void this.#follow(api, life, draws);
  }

  kill(): void {
    if (!this.isRunning) return;
    this.#life.end();
    this.#uploader = null;
    this.#crashAt = null;
    this.link.cut();
  }

  /** The process dies when it next comes to this place; a while later it is started again. */
  crashAt(point: string): void {
    this.#crashAt = point;
  }

  /** Somebody wrote into the file; the process may be there or not. */
  written(): void {
    this.#uploader?.written();
  }

  #pass(point: string, life: Life): void {
    if (life.isOver) throw new SimulatedCrash(point);
    if (this.#crashAt !== point) return;
    const { note, scheduler, name } = this.#options;
    note(`crashed at ${point}`);
    this.kill();
    scheduler.after(700, `${name}: start`, () => this.start());
    throw new SimulatedCrash(point);
  }

  /** Asks again and again for what has changed: the product's feed is the other simulation's matter. */
  async #follow(api: ServerApi, life: Life, draws: Chance): Promise<void> {
    const { disk, scheduler, name, onShown } = this.#options;
    while (!life.isOver) {
      const delayMs = draws.between(FOLLOW_MS.least, FOLLOW_MS.most);
      await new Promise<void>((resolve) => {
        scheduler.after(delayMs, `${name}: follows`, () => resolve(), life);
      });
      const controller = new AbortController();
      const late = scheduler.after(REQUEST_MS_MAX, `${name}: late`, () => controller.abort(), life);
      try {
        const path = `/v1/base?since=${encodeURIComponent(formatLsn(disk.position))}`;
        const answer = (await api.getJson(path, controller.signal)) as BaseAnswer;
        if (life.isOver) return;
        disk.take(...readBase(answer));
        onShown();
        this.#uploader?.moved();
        this.#uploader?.ready();
      } catch {
        // The next turn tries again.
      } finally {
        late.cancel();
      }
    }
  }
}

function readBase({ position, rows }: BaseAnswer): [Lsn, readonly Change[]] {
  const changes = rows.map(([key, cl, columns]) => ({
    key,
    state: { cl, columns: new Map(columns.map(columnOf)) },
  }));
  return [parseLsn(position, 'position'), changes];
}

function columnOf([name, version, text]: readonly [string, number, string]): [string, ColumnState] {
  const kind = NOTES.columns.find((column) => column.name === name)?.kind ?? 'text';
  return [name, { version, value: cellFromText(kind, text) }];
}
