/**
 * A runner of no-op actions in a process of its own, to be killed at any moment. Opens the area's database as every
 * process of the home host does: it may have to sync too.
 *
 *   node worker.ts '<WorkerSettings as JSON>'
 */
import { openHome } from '../../runs/database/home.ts';

export type WorkerSettings = {
  readonly area: string;
  readonly tempDir: string;
  readonly name: string;
  readonly leaseMs: number;
  /** How long an action takes. */
  readonly workMs: number;
  /** Also changes the states of this run's tests, over and over. */
  readonly testIds: readonly number[];
};

export type WorkerNews =
  | { readonly kind: 'ready' }
  | { readonly kind: 'ran'; readonly taskId: number; readonly attempt: number }
  | { readonly kind: 'idle' };

const IDLE_MS = 20;
/** Tests change with every so many actions. */
const WALK_EVERY = 4;
const RENEWS_PER_LEASE = 4;

function say(news: WorkerNews): void {
  process.send?.(news);
}

async function run(settings: WorkerSettings): Promise<void> {
  process.on('disconnect', () => process.exit());
  const { area, tempDir, name, leaseMs, workMs, testIds } = settings;
  const { store } = await openHome({ area, tempDir, hostId: 'bench' });
  say({ kind: 'ready' });
  setInterval(() => {
    store.write({ actor: name, writes: [{ kind: 'renewTasks', owner: name, leaseMs }] });
  }, leaseMs / RENEWS_PER_LEASE);
  for (let turn = 0; ; turn += 1) {
    const claim = { kind: 'claimTask', owner: name, kinds: ['action'], leaseMs } as const;
    const task = store.write({ actor: name, writes: [claim] }).answers[0]?.task ?? null;
    const testId = testIds[Math.floor(turn / WALK_EVERY) % Math.max(testIds.length, 1)];
    if (testId !== undefined && turn % WALK_EVERY === 0) walk(store, name, testId);
    if (task === null) {
      say({ kind: 'idle' });
      await new Promise((resolve) => setTimeout(resolve, IDLE_MS));
      continue;
    }
    say({ kind: 'ran', taskId: task.id, attempt: task.attempt });
    await new Promise((resolve) => setTimeout(resolve, workMs));
    const end = { kind: 'endTask', taskId: task.id, owner: name, state: 'done' } as const;
    store.write({ actor: name, writes: [{ ...end, result: { by: name } }] });
  }
}

/** One life of a test: what another worker does at the same time is no error. */
function walk(
  store: Awaited<ReturnType<typeof openHome>>['store'],
  actor: string,
  testId: number,
): void {
  const force = { kind: 'force', to: { state: 'RUNNING', status: 'n/a' } } as const;
  const finish = { kind: 'finish', status: 'PASS' } as const;
  const facts = { host: actor, cpuMs: testId };
  const step = {
    ...({ name: 'only', state: 'end', status: 'PASS', exitCode: 0, isMasked: false } as const),
    ...{ log: null, startedAt: 0, endedAt: 1, comment: '' },
  };
  store.write({
    actor,
    writes: [
      { kind: 'transition', testId, event: force, facts, cause: 'bench' },
      { kind: 'putStep', testId, step },
      { kind: 'transition', testId, event: finish, facts: {}, cause: 'bench' },
    ],
  });
}

await run(JSON.parse(process.argv[2] ?? '{}') as WorkerSettings);
