/** Once a second: how far everybody is, for plots and for the terminal. */
import { readFileSync } from 'node:fs';
import { parseLsn } from '../../core/lsn.ts';
import { statusOf } from './cluster.ts';
import type { SampleEvent } from './evidence.ts';
import type { Running, Stage } from './run.ts';

const SAMPLE_MS = 1000;
const POSITION_SQL = 'SELECT pg_current_wal_insert_lsn()::text AS lsn';
/** Of `/proc`, on all usual Linux machines. */
const TICKS_PER_SECOND = 100;

export function startSampling(stage: Stage, running: Running): { stop(): Promise<void> } {
  const sampler = new Sampler(stage, running);
  let isBusy: Promise<void> | null = null;
  const timer = setInterval(() => {
    isBusy ??= sampler.sample().finally(() => {
      isBusy = null;
    });
  }, SAMPLE_MS);
  return {
    stop: async () => {
      clearInterval(timer);
      await isBusy;
    },
  };
}

class Sampler {
  readonly #stage: Stage;
  readonly #running: Running;
  readonly #cpu = new CpuTimes();
  #rowsBefore = 0;
  #atBefore = 0;
  #timeline: string | null = null;

  constructor(stage: Stage, running: Running) {
    this.#stage = stage;
    this.#running = running;
  }

  /** Never rejects: what cannot be asked is left out. */
  async sample(): Promise<void> {
    const { evidence, report } = this.#stage;
    const { admin, senders, receivers, cluster } = this.#running;
    const [position, status] = await Promise.all([
      soon(admin.query(POSITION_SQL).then(([row]) => row?.lsn ?? null)),
      statusOf(cluster.server),
    ]);
    const counts = senders.map((sender) => sender.counts);
    const sample: SampleEvent = {
      t: evidence.now(),
      committed: sum(counts.map(({ committed }) => committed)),
      rows: sum(counts.map(({ rows }) => rows)),
      lag: position === null ? {} : lagsOf(position, receivers),
      windows: Object.fromEntries(senders.map(({ name, underWay }) => [name, underWay])),
      ...this.#processes(),
      ...(status === null ? {} : { redelivered: status.counters.redelivered }),
    };
    evidence.write('sample', sample);
    this.#noteTimeline(status?.timeline ?? null);
    evidence.flush();
    const words = this.#words(sample);
    if (senders.some(({ isWriting }) => isWriting)) report.progress(words);
  }

  /** A new history of the server is a thing to be explained. */
  #noteTimeline(timeline: string | null): void {
    if (timeline === null || timeline === this.#timeline) return;
    this.#timeline = timeline;
    const { evidence } = this.#stage;
    const about = { process: 'server', state: 'timeline', note: timeline };
    evidence.write('state', { t: evidence.now(), ...about });
  }

  #processes(): Pick<SampleEvent, 'rss' | 'cpu'> {
    const { receivers, cluster } = this.#running;
    const pids: (readonly [string, number | undefined])[] = [
      ['main', process.pid],
      ['server', cluster.serverProcess?.process?.pid],
      ...receivers.map((receiver) => [receiver.replica, receiver.process?.pid] as const),
    ];
    const rss: Record<string, number> = {};
    for (const [name, pid] of pids) {
      const usage = pid === undefined ? null : usageOf(pid);
      if (usage === null || pid === undefined) continue;
      rss[name] = Math.round(usage.rssBytes / 1e5) / 10;
      this.#cpu.note(name, pid, usage.cpuS);
    }
    return { rss, cpu: this.#cpu.totals };
  }

  #words({ t, rows, committed, lag, windows }: SampleEvent): string {
    const perSecond = ((rows - this.#rowsBefore) * 1000) / Math.max(1, t - this.#atBefore);
    [this.#rowsBefore, this.#atBefore] = [rows, t];
    const furthest = Math.max(0, ...Object.values(lag));
    const used = Object.values(windows).join(' ');
    return (
      `writing: ${(t / 1000).toFixed(0)} s, ${committed} transactions, ${rows} rows, ` +
      `${perSecond.toFixed(0)} rows/s, lag ${(furthest / 1024).toFixed(0)} KiB, windows ${used}`
    );
  }
}

/** A process that was started again goes on counting where its last life ended. */
class CpuTimes {
  readonly #last = new Map<string, { readonly pid: number; readonly cpuS: number }>();
  readonly #before = new Map<string, number>();

  note(name: string, pid: number, cpuS: number): void {
    const last = this.#last.get(name);
    if (last !== undefined && last.pid !== pid) {
      this.#before.set(name, (this.#before.get(name) ?? 0) + last.cpuS);
    }
    this.#last.set(name, { pid, cpuS });
  }

  get totals(): Readonly<Record<string, number>> {
    return Object.fromEntries(
      [...this.#last].map(([name, { cpuS }]) => [
        name,
        Math.round(((this.#before.get(name) ?? 0) + cpuS) * 100) / 100,
      ]),
    );
  }
}

/** From `/proc`; null where there is none, or no such process. */
function usageOf(pid: number): { readonly rssBytes: number; readonly cpuS: number } | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The second field is a name in parentheses, which may have spaces.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const cpuS = (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
    const kilobytes = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
    return { cpuS, rssBytes: Number(kilobytes ?? 0) * 1024 };
  } catch {
    return null;
  }
}

function lagsOf(
  position: string,
  receivers: readonly { readonly replica: string; readonly position: string }[],
): Readonly<Record<string, number>> {
  const end = parseLsn(position, 'position of Postgres');
  return Object.fromEntries(
    receivers.map((receiver) => {
      const at = parseLsn(receiver.position, 'position of a replica');
      return [receiver.replica, at === 0 ? 0 : Math.max(0, end - at)];
    }),
  );
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}

/** Null when it does not come within the sample's time: Postgres may be frozen. */
async function soon(answer: Promise<string | null>): Promise<string | null> {
  const late = new Promise<null>((resolve) => setTimeout(() => resolve(null), SAMPLE_MS).unref());
  return Promise.race([answer.catch(() => null), late]);
}
