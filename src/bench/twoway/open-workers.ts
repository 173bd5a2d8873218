/** One process for each database, with its schedule and its place in the network. */
import { join } from 'node:path';
import type { TakenFault } from '../proxy/fault-proxy.ts';
import { Schedule } from './disturbances.ts';
import type { Recorder } from './recorder.ts';
import type { Stack, Stage } from './stack.ts';
import { type Step, stepsOf } from './steps.ts';
import type { Spell } from './troubles.ts';
import { WorkerProcess } from './worker-process.ts';

/** Where connections are broken on purpose, they are given up soon. */
const HEARTBEAT_S = 2;

export function openWorkers(
  stage: Stage,
  stack: Stack,
  recorder: Recorder,
): readonly WorkerProcess[] {
  return stack.places.map((place) => {
    const worker = openWorker(stage, { ...stack, place }, recorder);
    worker.start();
    return worker;
  });
}

function openWorker(
  { options, evidence }: Stage,
  { table, nonce, place }: Stack & { readonly place: Stack['places'][number] },
  recorder: Recorder,
): WorkerProcess {
  const { dir, launch, databases, rows, iterations, workload, seed, isRls, faults, bug } = options;
  const { database, user, server, token } = place;
  const steps = stepsOf(iterations, isRls);
  const schedule = new Schedule(faults, { seed, database, steps });
  const stretch = new OfflineStretch(place, recorder);
  return new WorkerProcess({
    ...{ launch, evidence, dir },
    settings: {
      ...{
        database,
        databases,
        user,
        server,
        token,
        table,
        rows,
        iterations,
        workload,
        seed,
        nonce,
      },
      file: join(dir, 'databases', `db${database}.sqlite`),
      history: join(dir, 'history', `db${database}.jsonl`),
      ...{ startedAtMs: evidence.startedAtMs, bug },
      heartbeatS: faults === 'none' ? null : HEARTBEAT_S,
    },
    leave: async (step) => {
      await stretch.at(schedule.isOffline(step));
      return schedule.take(step);
    },
    onNews: (news) => {
      recorder.take(database, news);
      if (news.kind === 'finished') void stretch.at(false);
    },
    onKill: (step, life) => tellKill({ recorder, database, step, life }),
  });
}

function tellKill(about: {
  readonly recorder: Recorder;
  readonly database: number;
  readonly step: Step;
  readonly life: number;
}): void {
  const { recorder, database, step, life } = about;
  const now = recorder.now();
  recorder.spells.begin(database, now).toMs = now;
  recorder.fault({
    ...{ fault: 'kill-database', target: `db${database}`, fromMs: now, toMs: now },
    effects: [`life ${life} ended at step ${step.index} (${step.name})`],
  });
}

/** Takes a database from its network for whole iterations. */
class OfflineStretch {
  readonly #place: Stack['places'][number];
  readonly #recorder: Recorder;
  #away: { readonly spell: Spell; readonly taken: TakenFault } | null = null;

  constructor(place: Stack['places'][number], recorder: Recorder) {
    this.#place = place;
    this.#recorder = recorder;
  }

  async at(isOffline: boolean): Promise<void> {
    const { proxy, database } = this.#place;
    if (proxy === null || isOffline === (this.#away !== null)) return;
    if (isOffline) {
      const spell = this.#recorder.spells.begin(database, this.#recorder.now());
      this.#away = { spell, taken: await proxy.take('net-reset') };
      return;
    }
    const away = this.#away;
    this.#away = null;
    if (away === null) return;
    const { spell, taken } = away;
    const effects = await taken.end();
    spell.toMs = this.#recorder.now();
    const { fromMs, toMs } = spell;
    this.#recorder.fault({ fault: 'offline', target: `db${database}`, fromMs, toMs, effects });
  }
}
