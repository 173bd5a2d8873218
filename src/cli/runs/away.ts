/** Runs of an area from a host that is not its home: writes go to its server, reads to a replica in local temp storage. */
import { TidelockError } from '../../core/errors.ts';
import { openReplica } from '../../index.ts';
import type { WriteBatch, WriteResult } from '../../planner/run-store.ts';
import type { RunsStatus } from '../../protocol/runs.ts';
import { Away } from '../../runs/database/away.ts';
import type { HomePlace } from '../../runs/database/home.ts';
import { nobodyServes } from '../../runs/database/remote.ts';
import {
  type FollowRequest,
  type KeptReplica,
  RunReplica,
} from '../../runs/database/run-replica.ts';
import type { ReplicaRuns } from '../../sqlite/runs/replica-runs.ts';
import { tokenOf } from '../options.ts';

/** So long a look waits for a server that does not answer, when there is a replica to look at. */
const LOOK_MS_MAX = 1000;
/** So long it waits until the replica has what the server had at the start; a first copy may take as long. */
const REACH_MS_MAX = 60_000;
/** What was begun waits so long for a server. */
const SILENT_MS_MAX = 600_000;

export type AwayRuns = {
  readonly home: string;
  readonly away: Away;
  readonly replica: RunReplica;
  readonly runs: ReplicaRuns;
  /** By the server; what was written can be read here then. */
  readonly write: (batch: WriteBatch) => Promise<WriteResult>;
  /** Throws when no server has answered for ten minutes. */
  readonly requireAnswers: () => void;
  readonly close: () => Promise<void>;
};

export type AwayOptions = {
  readonly found: HomePlace;
  readonly token: string | undefined;
  /** Who acts needs a server; who looks may look at what was there. */
  readonly purpose: 'act' | 'look';
};

/** Throws `OFF_HOME`, `SERVER_UNREACHABLE`, `TOKEN_INVALID`, `TOKEN_FORBIDS`, `TIMEOUT`, `NETWORK_DISK`, `RUNS_UNUSABLE`. */
export async function openAway({ found, token, purpose }: AwayOptions): Promise<AwayRuns> {
  const { place, home } = found;
  const tell = troubleTeller(home);
  const isLook = purpose === 'look';
  const away = new Away({
    ...{ place, home, token: tokenOf(token), onTrouble: tell },
    connectMsMax: isLook ? LOOK_MS_MAX : undefined,
  });
  const onTrouble = isLook ? () => undefined : tell;
  const replica = new RunReplica({ place, away, now: Date.now, follow, onTrouble });
  try {
    replica.start();
    await bringUp(replica, away, isLook);
    return awayRuns(away, replica);
  } catch (error) {
    await replica.close();
    throw error;
  }
}

async function bringUp(replica: RunReplica, away: Away, isLook: boolean): Promise<void> {
  const status = await away.connect().catch((error: unknown) => {
    if (!isLook || replica.seen === null || !isSilent(error)) throw error;
    return null;
  });
  if (status !== null && (await replica.reach(status, REACH_MS_MAX))) return;
  if (!isLook || replica.seen === null) throw notReached(away.home, replica.trouble);
  console.error(`warning: ${ageText(replica, status)}`);
}

function isSilent(error: unknown): boolean {
  return (
    error instanceof TidelockError &&
    (error.code === 'SERVER_UNREACHABLE' || error.code === 'OFF_HOME')
  );
}

/** How old what is shown is, and why. */
function ageText({ seen }: RunReplica, status: RunsStatus | null): string {
  if (seen === null) return 'nothing is known';
  const asOf = `as of ${new Date(seen.at).toISOString().slice(0, 19)}Z`;
  return status === null
    ? `${asOf}: the server of ${seen.status.host} cannot be reached`
    : `${asOf}: ${status.seq - seen.status.seq} changes of ${status.host} have not come within ${REACH_MS_MAX / 1000} s`;
}

function awayRuns(away: Away, replica: RunReplica): AwayRuns {
  const { home } = away;
  return {
    ...{ home, away, replica, runs: replica.runs },
    write: async (batch) => {
      const written = await away.calls.write(batch);
      const history = replica.seen?.status.history ?? '';
      const isHere = await replica.reach({ history, seq: written.seq }, REACH_MS_MAX);
      if (!isHere) throw notReached(home, replica.trouble);
      return written;
    },
    requireAnswers: () => {
      if (replica.silentMs > SILENT_MS_MAX) throw replica.trouble ?? nobodyServes(home);
    },
    close: () => replica.close(),
  };
}

function notReached(home: string, cause: TidelockError | null): TidelockError {
  const last = cause === null ? '' : `; the last trouble was ${cause.code}: ${cause.message}`;
  return new TidelockError({
    code: 'TIMEOUT',
    message: `what ${home} has did not come within ${REACH_MS_MAX / 1000} s${last}`,
    hint: cause?.hint ?? 'what has come stays: try again',
    ...(cause === null ? {} : { cause }),
  });
}

/** Says each kind of trouble once, and its end. */
function troubleTeller(home: string): (error: TidelockError | null) => void {
  let told: string | null = null;
  return (error) => {
    const code = error?.code ?? null;
    if (code === told) return;
    told = code;
    if (error === null) console.error(`the server of ${home} answers`);
    else console.error(`waiting for the server of ${home}: ${error.message}`);
  };
}

async function follow(request: FollowRequest): Promise<KeptReplica> {
  const { onCaughtUp, ...options } = request;
  return await openReplica({
    ...options,
    onEvent: (event) => {
      if (event.kind === 'state') {
        onCaughtUp(event.state.kind === 'live' && event.state.isCaughtUp);
      }
    },
  });
}
