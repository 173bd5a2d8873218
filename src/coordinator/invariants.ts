/**
 * What is always true. `checkStep` runs after every step, `checkInvariants` looks at everything and is for
 * tests. The tests that hold each one stand in test/unit/coordinator/.
 *
 *   C1  upper and since never go back within a history              (model.test.ts, mutants.test.ts)
 *   C2  since <= upper                                              (model.test.ts)
 *   C3  the slot is confirmed only to positions durable in the log  (model.test.ts, mutants.test.ts)
 *   C4  a position in flight or pending lies beyond the upper       (frontier.test.ts)
 *   C5  at most subscribersMax, LEASES_MAX, WAITS_MAX are kept      (limits.test.ts)
 *   C6  a waiting subscriber lacks nothing and is in the index of
 *       each of its selectors; a reading one is in none             (model.test.ts, mutants.test.ts)
 *   C7  a lease or hold that is not broken is not before since      (model.test.ts, mutants.test.ts)
 *   C8  a reading subscriber is not before since                    (model.test.ts)
 *   C9  groups ascend, their sizes add up                           (model.test.ts)
 *   C10 leases stand in the order in which they expire              (model.test.ts)
 *   C11 each wait stands in both orders                             (model.test.ts)
 *   C12 only a stream is paused or has a write to retry              (frontier.test.ts, model.test.ts)
 *   C13 no history, no subscribers, leases or holds                 (source.test.ts, model.test.ts)
 *   C14 a merged group stands in the place of complete groups        (model.test.ts, mutants.test.ts)
 */
import { assert } from '../core/assert.ts';
import {
  type CoordinatorState,
  LEASES_MAX,
  NEVER,
  type SubscriberRecord,
  WAITS_MAX,
} from './state.ts';

/** What must not go back. */
export type Frontiers = {
  readonly timeline: string | null;
  readonly upper: number;
  readonly since: number;
};

export function frontiersOf(state: CoordinatorState): Frontiers {
  return { timeline: state.history.timeline, upper: state.log.upper, since: state.log.since };
}

/** The cheap ones: a few comparisons, run after every step. */
export function checkStep(state: CoordinatorState, before: Frontiers): void {
  const { log, note, source, history } = state;
  if (history.timeline === before.timeline) {
    checkOrder('C1: the upper does not go back', before.upper, log.upper);
    checkOrder('C1: since does not go back', before.since, log.since);
  }
  checkOrder('C2: since is not beyond the upper', log.since, log.upper);
  checkOrder('C3: what is confirmed is durable', source.confirmed, log.upper);
  if (note.pending !== 0) checkOrder('C4: pending is new', log.upper + 1, note.pending);
  checkOrder('C5: subscribersMax', state.subscribers.size, state.policy.subscribersMax);
  checkOrder('C5: LEASES_MAX', state.leases.size, LEASES_MAX);
  checkOrder('C5: WAITS_MAX', state.waits.size, WAITS_MAX);
}

/** All of them. Looks at every subscriber, lease, group and wait. */
export function checkInvariants(state: CoordinatorState): void {
  checkStep(state, frontiersOf(state));
  for (const subscriber of state.subscribers.values()) checkSubscriber(state, subscriber);
  checkIndex(state);
  checkHolds(state);
  checkGroups(state);
  checkWaits(state);
  checkPhases(state);
}

function checkSubscriber(state: CoordinatorState, subscriber: SubscriberRecord): void {
  const { id, isWaiting, position, selectors } = subscriber;
  const name = `subscriber ${id} at ${position}`;
  assert(state.waitingSubscribers.has(id) === isWaiting, `C6: ${name} is indexed as it waits`);
  assert(!isWaiting || state.log.newestForAll <= position, `C6: ${name} waits and lacks nothing`);
  for (const selector of selectors) {
    const record = state.selectors.get(selector);
    assert(record !== undefined, `C6: ${name} has its selector ${selector} indexed`);
    assert(record.waiting.has(id) === isWaiting, `C6: ${name} is under ${selector} as it waits`);
    assert(!isWaiting || record.newest <= position, `C6: ${name} lacks nothing of ${selector}`);
  }
  assert(isWaiting || position >= state.log.since, `C8: ${name} reads before ${state.log.since}`);
}

function checkIndex(state: CoordinatorState): void {
  let expected = 0;
  for (const subscriber of state.subscribers.values()) expected += subscriber.selectors.length;
  let counted = 0;
  for (const record of state.selectors.values()) {
    assert(record.subscriberCount > 0, 'C6: a selector nobody subscribes to is forgotten');
    counted += record.subscriberCount;
  }
  assert(expected === counted, `C6: ${expected} subscriptions are counted as ${counted}`);
}

function checkHolds(state: CoordinatorState): void {
  const { since } = state.log;
  let earlier = Number.NEGATIVE_INFINITY;
  for (const lease of state.leases.values()) {
    assert(
      lease.isBroken || lease.ts >= since,
      `C7: lease ${lease.replica} ${lease.ts} >= ${since}`,
    );
    assert(lease.expiresAt >= earlier, `C10: lease ${lease.replica} expires in order`);
    earlier = lease.expiresAt;
  }
  for (const hold of state.holds.values()) {
    assert(hold.isBroken || hold.ts >= since, `C7: hold ${hold.id} ${hold.ts} >= ${since}`);
  }
}

function checkGroups(state: CoordinatorState): void {
  const { log } = state;
  let sizeBytes = 0;
  let previous = { seq: -1, lastTs: 0 };
  for (const group of log.groups.slice(log.head)) {
    assert(group.seq > previous.seq, `C9: group ${group.seq} follows ${previous.seq}`);
    assert(
      group.lastTs >= previous.lastTs,
      `C9: group ${group.seq} is not earlier than its predecessor`,
    );
    sizeBytes += group.sizeBytes;
    previous = group;
  }
  assert(sizeBytes === log.sizeBytes, `C9: ${sizeBytes} bytes are counted as ${log.sizeBytes}`);
}

function checkWaits(state: CoordinatorState): void {
  const { waits, waitsByTs, waitsByDeadline } = state;
  assert(waits.size === waitsByTs.length, 'C11: each wait stands in the order of positions');
  assert(waits.size === waitsByDeadline.length, 'C11: each wait stands in the order of deadlines');
  for (const entries of [waitsByTs, waitsByDeadline]) {
    for (const [at, entry] of entries.entries()) {
      assert(waits.has(entry.id), `C11: wait ${entry.id} is known`);
      assert(at === 0 || (entries[at - 1]?.key ?? 0) <= entry.key, 'C11: waits are in order');
    }
  }
}

function checkPhases(state: CoordinatorState): void {
  const { source, log, history } = state;
  const isStreaming = source.phase === 'streaming';
  assert(isStreaming || !source.isPaused, 'C12: only a stream is paused');
  assert(isStreaming || log.retryAt === NEVER, 'C12: only a stream has a write to retry');
  if (history.timeline !== null) return;
  const count =
    state.subscribers.size + state.leases.size + state.holds.size + state.connectedReplicas.size;
  assert(count === 0, `C13: no history, but ${count} subscribers, leases and holds`);
}

/** Takes numbers, not a text, so that nothing is formatted while all is well. */
function checkOrder(rule: string, low: number, high: number): void {
  if (low > high) assert(false, `${rule}: ${low} > ${high}`);
}
