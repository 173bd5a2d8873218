/** Plays a story to its end, mends everything, and checks that all comes right. */
import { assert } from '../../../../src/core/assert.ts';
import type { Story } from './actions.ts';
import { apply, deliver, keepalive, proceed, readSome } from './happenings.ts';
import { type Step, World } from './world.ts';

/** Throws at the first broken rule. */
export function play(story: Story, step?: Step): World {
  const world = new World([['DE'], ['FR'], ['DE', 'IT'], []], step);
  if (story.isWarm) goOn(world);
  for (const action of story.actions) apply(world, action);
  settle(world);
  return world;
}

/** Rounds of settling before we call it stuck. */
const ROUNDS_MAX = 60;

/** Everything is mended: now all must arrive, every wait must end, and nothing must be kept for ever. */
function settle(world: World): void {
  const { source, log } = world;
  source.isUp = true;
  source.isOccupied = false;
  log.isFull = false;
  if (world.isDraining) world.crash();
  for (let round = 0; round < ROUNDS_MAX && !isSettled(world); round += 1) {
    goOn(world);
  }
  assert(isSettled(world), 'P1: everything arrives when everything is mended');
  leaveAll(world);
}

/** Everybody does what there is to do, once. */
function goOn(world: World): void {
  world.pass(1700);
  for (let turn = 0; turn < 6; turn += 1) proceed(world, false);
  deliver(world, 1000, 'no');
  keepalive(world);
  for (const one of world.replicas) {
    world.connect(one);
    readSome(world, one, { count: 1000, isReported: true });
  }
}

function isSettled({ source, log, stream, replicas, waits }: World): boolean {
  const isIngested = stream !== null && log.upper === source.walEnd;
  // Nothing retains WAL: the slot is confirmed up to its end.
  const isConfirmed = source.slot?.confirmed === source.walEnd;
  const isRead = replicas.every((one) => one.connection?.isWaiting === true);
  return isIngested && isConfirmed && isRead && waits.size === 0;
}

/** Without readers the log becomes empty once its time is over. */
function leaveAll(world: World): void {
  for (const one of world.replicas) world.disconnect(one);
  for (let hold = 0; hold <= 2; hold += 1)
    world.dispatch({ kind: 'release', hold: `snapshot-${hold}` });
  world.holds.snapshots.clear();
  for (let round = 0; round < ROUNDS_MAX && world.log.groups.length > 0; round += 1) {
    world.pass(1100);
  }
  assert(world.log.groups.length === 0, 'P25: nothing is kept for nobody');
}
