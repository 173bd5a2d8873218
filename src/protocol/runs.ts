/**
 * Calls to the server of a run database: JSON over HTTP, checked strictly on arrival.
 *
 * A frame has several calls, done in order; each has its own answer. The digest of the body travels in a header, both
 * ways. A batch of writes has a key: sent again, it is not done again and gets the first answer.
 */
import { z } from 'zod';
import { TidelockError } from '../core/errors.ts';
import type { Plan } from '../planner/plan.ts';
import { ACTIONS, EVENT_KINDS, STATES } from '../planner/rows.ts';
import type {
  RunQuery,
  RunQueryResult,
  RunWrite,
  WriteBatch,
  WriteResult,
} from '../planner/run-store.ts';
import { NEVER_STARTED, type TransitionEvent } from '../planner/states.ts';

export const RUNS_PROTOCOL = 1;
/** Header with `sha-256=<hex>` of the body. */
export const DIGEST_HEADER = 'x-tidelock-digest';
export const RUNS_PREFIX = '/runs/v1';
/** Calls of one frame. */
const CALLS_MAX = 100;
export const FRAME_BYTES_MAX = 16 * 1024 * 1024;

const WRITES_MAX = 10_000;
const LIST_MAX = 20_000;
/** Runs of a matrix. */
const CELL_RUNS_MAX = 100;
const TEXT_MAX = 100_000;
const NAME_MAX = 1000;
const LEASE_MS_MAX = 3_600_000;

const id = z.int().min(1);
const count = z.int().min(0);
const time = z.int();
const name = z.string().max(NAME_MAX);
const text = z.string().max(TEXT_MAX);
const ids = z.array(id).max(LIST_MAX);
const leaseMs = z.int().min(1).max(LEASE_MS_MAX);
const status = z.string().max(NAME_MAX);
const taskKind = z.enum(['action', 'exec']);
const taskState = z.enum(['new', 'claimed', 'running', 'done', 'failed', 'cancelled']);

const pair = z.strictObject({ state: z.enum(STATES), status });

const plainEvent = z.strictObject({
  kind: z.enum([
    ...(['launch', 'hostStart', 'run', 'skip', 'putOff', 'requestKill', 'killed'] as const),
    ...(['killFailed', 'terminated', 'dead', 'waive', 'reset', 'archive'] as const),
    ...(['restore', 'remove', 'removed'] as const),
  ]),
});

const event: z.ZodType<TransitionEvent> = z.union([
  plainEvent,
  z.strictObject({ kind: z.enum(['progress', 'finish']), status }),
  z.strictObject({ kind: z.literal('settle'), status: z.enum(NEVER_STARTED) }),
  z.strictObject({ kind: z.literal('force'), to: pair }),
]);

const testFacts = z
  .strictObject({
    ...{ comment: text, attempt: count, host: name.nullable(), runDir: text.nullable() },
    ...{ log: text.nullable(), startedAt: time.nullable(), endedAt: time.nullable() },
    ...{ cpuMs: count.nullable(), rssMaxBytes: count.nullable(), exitCode: z.int().nullable() },
    ...{ configHash: name.nullable(), isStale: z.boolean() },
  })
  .partial();

const step = z.strictObject({
  ...{ name, state: z.enum(['start', 'end']), status, exitCode: z.int().nullable() },
  ...{ isMasked: z.boolean(), log: text.nullable(), startedAt: time, endedAt: time.nullable() },
  comment: text,
});

const datum = z.strictObject({
  ...{ category: name, variable: name, value: text, expected: text, tolerance: text },
  ...{ units: name, comment: text, status, type: name },
});

const task = z.strictObject({
  ...{ kind: taskKind, action: z.enum([...ACTIONS, 'exec']), runId: id.nullable() },
  ...{ testId: id.nullable(), args: z.json(), priority: z.int(), attemptsMax: z.int().min(1) },
  ...{ notBefore: time, dedupeKey: name.nullable(), parentId: id.nullable() },
});

const runFacts = z
  .strictObject({
    state: z.enum(['new', 'running', 'done', 'removed']),
    isLocked: z.boolean(),
    endedAt: time.nullable(),
  })
  .partial();

const runner = z.strictObject({
  ...{ id: name, host: name, pid: count, pidStart: name, bootId: name, slots: count },
  ...{ running: count, load: z.number() },
});

const note = z.strictObject({
  kind: z.enum(EVENT_KINDS),
  ...{ runId: id.nullable(), testId: id.nullable(), old: text.nullable(), new: text.nullable() },
  ...{ cause: text, at: time.optional() },
});

function write<K extends RunWrite['kind'], F extends z.ZodRawShape>(kind: K, fields: F) {
  return z.strictObject({ kind: z.literal(kind), ...fields });
}

const runWrite = z.discriminatedUnion('kind', [
  write('createRun', { target: name, name }),
  write('setRun', { runId: id, facts: runFacts, cause: text }),
  write('putTests', {
    runId: id,
    tests: z.array(z.strictObject({ name, itemPath: name, isToplevel: z.boolean() })).max(LIST_MAX),
  }),
  write('transition', { testId: id, event, facts: testFacts, cause: text }),
  write('setTest', { testId: id, facts: testFacts }),
  write('putStep', { testId: id, step }),
  write('putData', { testId: id, rows: z.array(datum).max(LIST_MAX) }),
  write('clearTest', { testId: id, steps: z.array(name).max(LIST_MAX).nullish() }),
  write('removeTests', { runId: id, testIds: ids.nullable(), cause: text }),
  write('putTask', { task }),
  write('claimTask', { owner: name, kinds: z.array(taskKind).max(2), leaseMs }),
  write('renewTasks', { owner: name, leaseMs }),
  write('endTask', {
    ...{ taskId: id, owner: name, result: z.json() },
    state: z.enum(['running', 'done', 'failed', 'cancelled']),
  }),
  write('cancelTasks', { ids, cause: text }),
  write('reclaimTasks', {}),
  write('putRunner', { runner, leaseMs }),
  write('removeRunner', { id: name }),
  write('note', { event: note }),
]);

const batch = z.strictObject({
  actor: name,
  writes: z.array(runWrite).max(WRITES_MAX),
  key: z.string().min(1).max(200),
});

const limit = z.int().min(1).max(LIST_MAX);

function read<K extends RunQuery['kind'], F extends z.ZodRawShape>(kind: K, fields: F) {
  return z.strictObject({ kind: z.literal(kind), ...fields });
}

const runQuery = z.discriminatedUnion('kind', [
  read('changes', { since: count, limit, isBrief: z.boolean().optional() }),
  read('runs', { ids: ids.optional(), before: id.optional(), limit: limit.optional() }),
  read('tests', { runId: id }),
  read('cells', {
    ...{ runIds: z.array(id).max(CELL_RUNS_MAX), part: z.enum(['tests', 'all']), limit },
    after: z.strictObject({ name, itemPath: name, isToplevel: z.boolean() }).nullable(),
  }),
  read('test', { testId: id }),
  read('history', { name, itemPath: name, target: name.optional(), limit }),
  read('steps', { testId: id }),
  read('data', { testId: id }),
  read('tasks', { states: z.array(taskState).nullable(), ids: ids.optional(), limit }),
  read('openActions', { target: name, name }),
  read('runners', {}),
  read('notes', { runId: id }),
  read('events', { runId: id.nullable(), testId: id.nullable(), since: count, limit }),
  read('line', { runId: id, since: count, from: time, to: time }),
]);

const frame = z.strictObject({
  version: z.literal(RUNS_PROTOCOL),
  calls: z
    .array(
      z.discriminatedUnion('kind', [
        z.strictObject({ kind: z.literal('write'), batch }),
        z.strictObject({ kind: z.literal('read'), query: runQuery }),
      ]),
    )
    .min(1)
    .max(CALLS_MAX),
});

export type RunCall =
  | { readonly kind: 'write'; readonly batch: WriteBatch }
  | { readonly kind: 'read'; readonly query: RunQuery };

export type CallFrame = { readonly version: number; readonly calls: readonly RunCall[] };

export type CallError = {
  readonly code: string;
  readonly message: string;
  readonly hint?: string | undefined;
};

export type CallAnswer =
  | { readonly written: WriteResult }
  | { readonly found: RunQueryResult }
  | { readonly error: CallError };

export type AnswerFrame = { readonly version: number; readonly answers: readonly CallAnswer[] };

/** What a person may ask for in the dashboard: an action of the queue. */
export type TaskRequest = {
  readonly action: (typeof ACTIONS)[number];
  readonly runId: number | null;
  readonly testId: number | null;
  readonly args: unknown;
};

const taskRequest = z.strictObject({
  ...{ action: z.enum(ACTIONS), runId: id.nullable(), testId: id.nullable(), args: z.json() },
});

/** A run that somebody thinks of. */
export type PlanWish = {
  readonly target: string;
  /** Of the run. */
  readonly name: string;
  readonly pattern: string;
  readonly tags: string | null;
};

/** What it would do; items beyond a limit of the server's are counted only. */
export type PlanAnswer = { readonly plan: Plan; readonly leftOut: number };

const planWish = z.strictObject({ target: name, name, pattern: text, tags: name.nullable() });

/** Throws `BAD_REQUEST`. */
export function parsePlanWish(body: unknown): PlanWish {
  return parsed(planWish, body);
}

/** Throws `BAD_REQUEST`, naming the first field that is wrong. */
export function parseFrame(body: unknown): CallFrame {
  return parsed(frame, body) as CallFrame;
}

/** Throws `BAD_REQUEST`. */
export function parseTaskRequest(body: unknown): TaskRequest {
  return parsed(taskRequest, body);
}

/** Throws `BAD_REQUEST`. */
export function parseQuery(body: unknown): RunQuery {
  return parsed(runQuery, body) as RunQuery;
}

function parsed<T>(schema: z.ZodType<T>, body: unknown): T {
  const result = schema.safeParse(body);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const where = issue?.path.join('.') ?? '';
  throw new TidelockError({
    code: 'BAD_REQUEST',
    message: `${where === '' ? 'the call' : where}: ${issue?.message ?? 'is wrong'}`,
    hint: `protocol version ${RUNS_PROTOCOL} is spoken here: both sides should be of one version`,
  });
}

/** What a page knows first: runs and tasks the newest first, up to a limit of the server's. */
export type RunsStart = Pick<RunQueryResult, 'runs' | 'tasks' | 'runners'> & {
  readonly status: RunsStatus;
};

/** How the server and its database are. */
export type RunsStatus = {
  readonly area: string;
  readonly host: string;
  readonly home: string;
  readonly pid: number;
  readonly history: string;
  readonly seq: number;
  /** Since when this server leads, milliseconds since 1970. */
  readonly startedAt: number;
  readonly sync: {
    readonly state: string;
    readonly owner: string;
    readonly durable: string;
    readonly syncedSeq: number;
    readonly seq: number;
    readonly ageMs: number;
    readonly ageMsMax: number;
    readonly batches: number;
    readonly error: string | null;
  };
  readonly calls: { readonly waiting: number; readonly done: number; readonly refused: number };
  /** Only where a replica is shown, on another host. */
  readonly replica?: ReplicaAge | undefined;
};

/** How old what a replica shows may be. */
export type ReplicaAge = {
  /** The host whose server it follows. */
  readonly home: string;
  /** The pages there; null: no server is known. */
  readonly url: string | null;
  /** It has what the home had so long ago. */
  readonly ageMs: number;
  /** Why it does not follow; null while it does. */
  readonly trouble: string | null;
};
