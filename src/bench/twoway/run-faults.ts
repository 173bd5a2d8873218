/** Faults of the network and the server while the databases work: one after the other, as the seed has drawn them. */
import { setTimeout as sleep } from 'node:timers/promises';
import { SeededRandom } from '../random.ts';
import { statusOf } from '../stress/cluster.ts';
import { isAlive } from '../stress/launched.ts';
import { networkDeck } from './disturbances.ts';
import type { Recorder } from './recorder.ts';
import type { Stack, Stage } from './stack.ts';
import type { WorkerProcess } from './worker-process.ts';

const GAP_MS = { mild: [800, 2500], harsh: [200, 900] } as const;
const HOLD_MS = [150, 1200] as const;
/** In a harsh run the server is killed once in so many faults. */
const SERVER_EVERY = 9;

type FaultRun = {
  readonly stack: Stack;
  readonly workers: readonly WorkerProcess[];
  readonly recorder: Recorder;
  /** Aborts when the databases have done their work. */
  readonly ended: AbortSignal;
};

export async function runFaults(stage: Stage, run: FaultRun): Promise<void> {
  const { options, signal } = stage;
  if (options.faults === 'none') return;
  const random = new SeededRandom(options.seed ^ 0x7fa1d);
  const draw = networkDeck(options.faults, random);
  const [least, most] = GAP_MS[options.faults];
  const over = AbortSignal.any([signal, run.ended]);
  for (let count = 1; !over.aborted; count++) {
    await rest(random.between(least, most), over);
    if (over.aborted) break;
    if (options.faults === 'harsh' && count % SERVER_EVERY === 0) await killServer(stage, run);
    else await disturb({ stage, run, random, draw });
  }
  signal.throwIfAborted();
}

async function disturb(how: {
  readonly stage: Stage;
  readonly run: FaultRun;
  readonly random: SeededRandom;
  readonly draw: ReturnType<typeof networkDeck>;
}): Promise<void> {
  const { stage, run, random, draw } = how;
  const { stack, recorder, ended } = run;
  const place = random.pick(stack.places);
  const holdMs = random.between(...HOLD_MS);
  const { proxy, database } = place;
  // One that is offline feels nothing.
  if (proxy === null || proxy.isTaken) return;
  const fault = draw();
  if (fault === null) return;
  const spell = recorder.spells.begin(database, recorder.now());
  await proxy.take(fault);
  try {
    await rest(holdMs, AbortSignal.any([stage.signal, ended]));
  } finally {
    const effects = await proxy.heal();
    spell.toMs = recorder.now();
    const { fromMs, toMs } = spell;
    recorder.fault({ fault, target: `db${database}`, fromMs, toMs, effects });
    stage.report.progress(`writing: ${fault} for database ${database}`);
  }
}

async function killServer({ signal, report }: Stage, { stack, recorder }: FaultRun): Promise<void> {
  const { serverProcess } = stack;
  if (serverProcess === null) return;
  const spell = recorder.spells.begin(0, recorder.now());
  const effects: string[] = [];
  const pid = serverProcess.process?.pid ?? 0;
  await serverProcess.process?.kill();
  if (!isAlive(pid)) effects.push(`server ${pid} is gone`);
  await serverProcess.start(signal);
  if ((await statusOf(serverProcess.url)) !== null) effects.push('it answers again');
  spell.toMs = recorder.now();
  const { fromMs, toMs } = spell;
  recorder.fault({ fault: 'kill-server', target: 'server', fromMs, toMs, effects });
  report.progress('writing: the server was killed');
}

async function rest(ms: number, over: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal: over }).catch(() => undefined);
}
