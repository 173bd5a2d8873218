/** How the world does what a story says. */
import { assert, unreachable } from '../../../../src/core/assert.ts';
import { lsn } from '../support.ts';
import type { Action, Fault } from './actions.ts';
import { type Replica, read } from './readers.ts';
import type { World } from './world.ts';

/** Lets one thing happen. What cannot happen now does not. */
export function apply(world: World, action: Action): void {
  switch (action.kind) {
    case 'commit':
      world.source.commit(action);
      break;
    case 'writeOther':
      world.source.writeOther(action.bytes);
      break;
    case 'deliver':
      deliver(world, action.count, action.dies);
      break;
    case 'keepalive':
      keepalive(world);
      break;
    case 'merge':
      merge(world, action);
      break;
    case 'proceed':
      proceed(world, action.dies);
      break;
    case 'pass':
      world.pass(action.milliseconds);
      break;
    case 'fault':
      fault(world, action.fault);
      break;
    case 'promote':
      world.loseSource();
      world.source.promote(action.lostBytes, action.isSlotSynced);
      break;
    default:
      applyForReaders(world, action);
  }
}

type ReaderAction = Exclude<
  Action,
  {
    kind:
      | 'commit'
      | 'writeOther'
      | 'deliver'
      | 'keepalive'
      | 'merge'
      | 'proceed'
      | 'pass'
      | 'fault'
      | 'promote';
  }
>;

function applyForReaders(world: World, action: ReaderAction): void {
  switch (action.kind) {
    case 'connect':
      world.connect(replicaOf(world, action.replica));
      break;
    case 'disconnect':
      world.disconnect(replicaOf(world, action.replica));
      break;
    case 'read':
      readSome(world, replicaOf(world, action.replica), action);
      break;
    case 'report':
      report(world, replicaOf(world, action.replica));
      break;
    case 'lease':
      lease(world, replicaOf(world, action.replica), action.behind);
      break;
    case 'endLease': {
      const { name } = replicaOf(world, action.replica);
      world.holds.leases.delete(name);
      world.dispatch({ kind: 'endLease', replica: name });
      break;
    }
    case 'hold':
      takeHold(world, `snapshot-${action.hold}`);
      break;
    case 'release':
      world.holds.snapshots.delete(`snapshot-${action.hold}`);
      world.dispatch({ kind: 'release', hold: `snapshot-${action.hold}` });
      break;
    case 'wait':
      startWait(world, action);
      break;
    case 'endWait':
      endWait(world);
      break;
    default:
      unreachable(action);
  }
}

export function deliver(
  world: World,
  count: number,
  dies: 'no' | 'beforeAppend' | 'afterAppend',
): void {
  const { stream, source, log } = world;
  if (stream === null || world.isPaused) return;
  assert(world.unwritten.length === 0, 'P29: reading goes on only when everything is written');
  for (const commit of source.commits.filter(({ ts }) => ts > stream.sent).slice(0, count)) {
    stream.sent = commit.ts;
    if (commit.ts > stream.after) world.unwritten.push(commit);
    else world.note('redelivered');
  }
  if (dies === 'no') {
    world.writeLog();
    return;
  }
  if (dies === 'afterAppend' && !log.isFull) log.append(world.unwritten, world.now);
  world.crash();
}

/** Postgres says up to where it has sent everything. */
export function keepalive(world: World): void {
  const { stream, source } = world;
  if (stream === null || world.isPaused || world.unwritten.length > 0) return;
  const next = source.commits.find(({ ts }) => ts > stream.sent);
  stream.sent = next === undefined ? source.walEnd : next.ts - 1;
  world.dispatch({ kind: 'keepalive', lsn: lsn(stream.sent) });
}

/** Old groups become one, here or there. */
function merge(world: World, run: { readonly from: number; readonly count: number }): void {
  const merged = world.log.merge(run.from, run.count);
  if (merged === null) return;
  world.note('merged');
  world.dispatch({ kind: 'groupsMerged', ...merged });
}

export function proceed(world: World, dies: boolean): void {
  const { pending, source } = world;
  if (pending === null) return;
  if (!source.isUp) {
    world.loseSource();
    return;
  }
  world.pending = null;
  if (pending.kind === 'connect') {
    world.dispatch({ kind: 'sourceConnected', facts: source.facts() });
  } else if (pending.kind === 'reset') reset(world, pending.generation, dies);
  else startStream(world, pending.after);
}

function reset(world: World, generation: number, dies: boolean): void {
  const { source, log } = world;
  const position = source.createSlot();
  if (dies) {
    world.crash();
    return;
  }
  const { systemId, walTimeline } = source;
  const timeline = log.reset({ systemId, walTimeline, generation }, position);
  world.isBroken = false;
  world.dispatch({ kind: 'historyStarted', timeline, startTs: lsn(position) });
}

function startStream(world: World, after: number): void {
  const { slot, isOccupied } = world.source;
  if (slot === null || slot.isLost || isOccupied) {
    world.pending = { kind: 'connect' };
    world.loseSource();
    return;
  }
  world.stream = { sent: slot.confirmed, after };
  world.dispatch({ kind: 'streamStarted' });
}

function fault(world: World, kind: Fault): void {
  const { source, log } = world;
  switch (kind) {
    case 'crash':
      world.crash();
      break;
    case 'cut':
      world.loseSource();
      break;
    case 'checkpoint':
      source.checkpoint();
      break;
    case 'logFull':
    case 'logFree':
      log.isFull = kind === 'logFull';
      return;
    case 'drain':
      world.isDraining = true;
      world.dispatch({ kind: 'drain' });
      break;
    default:
      // Each of these breaks the connection first, as in Postgres: a slot in use can be neither moved nor dropped.
      world.loseSource();
      faultOfSource(world, kind);
  }
}

function faultOfSource(
  { source }: World,
  kind: Exclude<Fault, 'crash' | 'cut' | 'checkpoint' | 'logFull' | 'logFree' | 'drain'>,
): void {
  switch (kind) {
    case 'postgresCrash':
      source.crash();
      break;
    case 'sourceDown':
    case 'sourceUp':
      source.isUp = kind === 'sourceUp';
      return;
    case 'dropSlot':
      source.slot = null;
      return;
    case 'loseSlot':
      if (source.slot !== null) source.slot.isLost = true;
      return;
    case 'moveSlot':
      source.moveSlot();
      break;
    case 'occupySlot':
    case 'freeSlot':
      source.isOccupied = kind === 'occupySlot';
      return;
    case 'replace':
      source.replace(source.walEnd % 2 === 0);
      break;
    default:
      unreachable(kind);
  }
}

export function readSome(
  world: World,
  one: Replica,
  how: { readonly count: number; readonly isReported: boolean },
): void {
  const { connection } = one;
  if (connection === null || connection.isWaiting) return;
  const isAtEnd = read(world.log, one, how.count);
  if (isAtEnd) connection.unreported = one.position;
  else world.dispatch({ kind: 'advanced', id: connection.id, ts: lsn(one.position) });
  if (how.isReported) report(world, one);
}

/** Says, perhaps late, up to where it had read everything. */
function report(world: World, { connection }: Replica): void {
  if (connection === null || connection.unreported === null || connection.isWaiting) return;
  const ts = connection.unreported;
  connection.unreported = null;
  connection.isWaiting = true;
  world.dispatch({ kind: 'caughtUp', id: connection.id, ts: lsn(ts) });
}

function lease(world: World, one: Replica, behind: number): void {
  if (!one.hasLease || world.isBroken) return;
  if (one.timeline !== world.log.identity?.timeline) return;
  const ts = Math.max(0, one.position - behind);
  // Nothing is promised before the first history.
  const isPromised = world.log.identity !== null && ts >= world.log.since;
  if (isPromised) world.holds.hear(one.name, ts, world.now);
  world.dispatch({ kind: 'lease', replica: one.name, ts: lsn(ts) });
}

function takeHold(world: World, name: string): void {
  if (world.isBroken || world.log.identity === null) return;
  world.holds.snapshots.set(name, world.log.upper);
  world.dispatch({ kind: 'hold', hold: name, ts: lsn(world.log.upper) });
}

function startWait(
  world: World,
  how: { readonly ahead: number; readonly milliseconds: number },
): void {
  if (world.log.identity === null) return;
  const wait = { ts: world.log.upper + how.ahead, deadline: world.now + how.milliseconds };
  const id = world.nextId();
  world.waits.set(id, wait);
  world.dispatch({ kind: 'wait', id, ts: lsn(wait.ts), deadline: wait.deadline });
}

function endWait(world: World): void {
  for (const id of world.waits.keys()) {
    world.waits.delete(id);
    world.dispatch({ kind: 'endWait', id });
    return;
  }
}

function replicaOf(world: World, index: number): Replica {
  const one = world.replicas[index % world.replicas.length];
  if (one === undefined) throw new Error('there are replicas');
  return one;
}
