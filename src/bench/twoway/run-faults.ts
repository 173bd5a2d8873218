/** Faults of the network, the server and Postgres while the databases work, as the seed has drawn them. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { NetworkFault } from '../proxy/fault-proxy.ts';
import { SeededRandom } from '../random.ts';
import { type ServerProcess, statusOf } from '../stress/cluster.ts';
import { isAlive } from '../stress/launched.ts';
import { together } from '../until.ts';
import { CENTRAL_FAULTS, type CentralFault, deckOf, networkDeck } from './disturbances.ts';
import { freezePostgres, killPostgres } from './postgres-faults.ts';
import type { Recorder } from './recorder.ts';
import type { Stack, Stage } from './stack.ts';
import type { WorkerProcess } from './worker-process.ts';

const GAP_MS = { mild: [800, 2500], harsh: [200, 900] } as const;
const HOLD_MS = [150, 1200] as const;
/** A fault that has met nobody yet lasts longer, so that it is not for nothing. */
const HOLD_MS_MAX = 15_000;
const LOOK_MS = 20;
const PATIENCE_MS = 2000;
/** Between two faults that befall all databases at once. */
const CENTRAL_GAP_MS = [2000, 6000] as const;

type FaultRun = {
  readonly stack: Stack;
  readonly workers: readonly WorkerProcess[];
  readonly recorder: Recorder;
  /** Aborts when the databases have done their work. */
  readonly ended: AbortSignal;
};

/** Two lanes side by side, in each one fault after the other. */
export async function runFaults(stage: Stage, run: FaultRun): Promise<void> {
  const { options, signal } = stage;
  const { faults, seed } = options;
  if (faults === 'none') return;
  const lanes = [networkLane({ stage, run, random: new SeededRandom(seed ^ 0x7fa1d) }, faults)];
  if (faults === 'harsh')
    lanes.push(centralLane({ stage, run, random: new SeededRandom(seed ^ 0x3c91b) }));
  await together(
    signal,
    lanes.map((lane) => (both) => lane(AbortSignal.any([both, run.ended]))),
  );
  signal.throwIfAborted();
}

type Source = { readonly stage: Stage; readonly run: FaultRun; readonly random: SeededRandom };
type Lane = (over: AbortSignal) => Promise<void>;

function networkLane(source: Source, level: 'mild' | 'harsh'): Lane {
  const { random } = source;
  const deck = networkDeck(level, random);
  // Those that met nobody come again, in turn with others.
  const missed: NetworkFault[] = [];
  let isAgain = false;
  const draw = (): NetworkFault | null => {
    isAgain = !isAgain && missed.length > 0;
    return (isAgain ? missed.shift() : null) ?? deck();
  };
  const [least, most] = GAP_MS[level];
  return async (over) => {
    while (!over.aborted) {
      await rest(random.between(least, most), over);
      if (over.aborted) return;
      const fault = await disturb(source, draw, over);
      if (fault !== null && !missed.includes(fault)) missed.push(fault);
    }
  };
}

function centralLane(source: Source): Lane {
  const { random, run } = source;
  const draw = deckOf([CENTRAL_FAULTS.filter((fault) => isOurs(fault, run.stack))], random);
  return async (over) => {
    while (!over.aborted) {
      await rest(random.between(...CENTRAL_GAP_MS), over);
      const fault = over.aborted ? null : draw();
      if (fault !== null) await disturbAll(source, fault);
    }
  };
}

/** Somebody else's server or Postgres is out of reach. */
function isOurs(fault: CentralFault, { serverProcess, postgres }: Stack): boolean {
  return fault === 'kill-server' ? serverProcess !== null : postgres !== null;
}

/** Of one database: one that is offline, or has done its work, feels nothing. Returns the fault when it met nobody. */
async function disturb(
  { stage, run, random }: Source,
  draw: () => NetworkFault | null,
  over: AbortSignal,
): Promise<NetworkFault | null> {
  const { recorder, stack, workers } = run;
  const holdMs = random.between(...HOLD_MS);
  const { proxy, database } = random.pick(stack.places);
  if (proxy === null || proxy.isTaken || workers[database - 1]?.isFinished === true) return null;
  const fault = draw();
  if (fault === null) return null;
  const spell = recorder.spells.begin(database, recorder.now());
  const news = { fault, target: `db${database}` };
  stage.report.fault?.({ ...news, state: 'start', words: '' });
  const taken = await proxy.take(fault);
  let effects: readonly string[] = [];
  try {
    await rest(holdMs, over);
    const end = performance.now() + HOLD_MS_MAX;
    while (!taken.hasEffect && !over.aborted && performance.now() < end) await rest(LOOK_MS, over);
  } finally {
    effects = await taken.end();
    spell.toMs = recorder.now();
    const { fromMs, toMs } = spell;
    recorder.fault({ ...news, fromMs, toMs, effects });
    stage.report.fault?.({ ...news, state: 'end', words: effects[0] ?? '' });
    stage.report.progress(`writing: ${fault} for database ${database}`);
  }
  return effects.length === 0 ? fault : null;
}

/** Of all databases at once. It comes to its end whatever else ends: what was stopped is started again. */
async function disturbAll({ stage, run, random }: Source, fault: CentralFault): Promise<void> {
  const { recorder } = run;
  const holdMs = random.between(...HOLD_MS);
  const spell = recorder.spells.begin(0, recorder.now());
  const news = { fault, target: fault === 'kill-server' ? 'server' : 'postgres' };
  stage.report.fault?.({ ...news, state: 'start', words: '' });
  const effects = await performCentral({ stage, run, fault, holdMs });
  spell.toMs = recorder.now();
  const { fromMs, toMs } = spell;
  recorder.fault({ ...news, fromMs, toMs, effects });
  stage.report.fault?.({ ...news, state: 'end', words: effects[0] ?? '' });
  stage.report.progress(`writing: ${fault}`);
}

async function performCentral(how: {
  readonly stage: Stage;
  readonly run: FaultRun;
  readonly fault: CentralFault;
  readonly holdMs: number;
}): Promise<readonly string[]> {
  const { stage, run, fault, holdMs } = how;
  const { postgres, postgresUrl: url, server, adminToken, serverProcess } = run.stack;
  const status = () => statusOf(server, PATIENCE_MS, adminToken);
  if (fault === 'kill-server') return killServer(stage, { serverProcess, status });
  if (postgres === null) return [];
  const perform = fault === 'kill-postgres' ? killPostgres : freezePostgres;
  const isStreaming = async () => (await status())?.source.state === 'streaming';
  return perform({ postgres, url, isStreaming, holdMs, signal: stage.signal });
}

async function killServer(
  { signal }: Stage,
  {
    serverProcess,
    status,
  }: { readonly serverProcess: ServerProcess | null; readonly status: () => Promise<unknown> },
): Promise<readonly string[]> {
  if (serverProcess === null) return [];
  const effects: string[] = [];
  const pid = serverProcess.process?.pid ?? 0;
  await serverProcess.process?.kill();
  if (!isAlive(pid)) effects.push(`server ${pid} is gone`);
  await serverProcess.start(signal);
  if ((await status()) !== null) effects.push('it answers again');
  return effects;
}

async function rest(ms: number, over: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal: over }).catch(() => undefined);
}
