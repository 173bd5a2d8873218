/** The one boundary where a transaction could be lost or doubled: between the log and the slot. */
import { expect, test } from 'vitest';
import { apply, proceed } from './model/happenings.ts';
import { World } from './model/world.ts';

const COMMIT = { kind: 'commit', selectors: ['FR'], hasAll: false, parts: 1 } as const;
const DELIVER = { kind: 'deliver', count: 10, dies: 'no' } as const;

/** A world whose stream runs and that holds one transaction. */
function running(): World {
  const world = new World([['FR']]);
  reconnect(world);
  apply(world, COMMIT);
  apply(world, DELIVER);
  return world;
}

function reconnect(world: World): void {
  world.pass(1700);
  for (let turn = 0; turn < 6; turn += 1) proceed(world, false);
}

function held(world: World): readonly number[] {
  return world.log.history.map(({ id }) => id);
}

test('P2, P29: dying after the append and before the confirmation, it is sent again and dropped', () => {
  const world = running();
  apply(world, COMMIT);
  apply(world, { ...DELIVER, dies: 'afterAppend' });
  expect(world.source.slot?.confirmed).toBe(113);
  reconnect(world);
  apply(world, DELIVER);
  expect(world.seen.get('redelivered')).toBe(1);
  expect(held(world)).toEqual([1, 2]);
  expect(world.source.slot?.confirmed).toBe(123);
});

test('P1, P29: dying before the append, it is sent again and kept', () => {
  const world = running();
  apply(world, COMMIT);
  apply(world, { ...DELIVER, dies: 'beforeAppend' });
  expect(held(world)).toEqual([1]);
  reconnect(world);
  apply(world, DELIVER);
  expect(world.seen.get('redelivered')).toBeUndefined();
  expect(held(world)).toEqual([1, 2]);
});

test('P2, P18: a slot that goes back in a crash of Postgres is absorbed silently', () => {
  const world = running();
  apply(world, COMMIT);
  apply(world, DELIVER);
  apply(world, { kind: 'fault', fault: 'postgresCrash' });
  expect(world.source.slot?.confirmed).toBe(103);
  reconnect(world);
  apply(world, DELIVER);
  expect(world.seen.get('redelivered')).toBe(2);
  expect(held(world)).toEqual([1, 2]);
  expect(world.log.identity?.generation).toBe(1);
});

test('P20: dying between the new slot and the new history starts the history again', () => {
  const world = running();
  apply(world, { kind: 'fault', fault: 'dropSlot' });
  world.pass(1700);
  proceed(world, false);
  proceed(world, true);
  expect(world.log.identity?.generation).toBe(1);
  reconnect(world);
  expect(world.log.identity?.generation).toBe(2);
  expect(world.log.upper).toBe(world.source.slot?.confirmed);
});

test('an idle published set retains no WAL, whoever writes to other tables', () => {
  const world = running();
  for (let turn = 0; turn < 5; turn += 1) {
    apply(world, { kind: 'writeOther', bytes: 1000 });
    apply(world, { kind: 'keepalive' });
    world.pass(1000);
  }
  expect(world.source.slot?.confirmed).toBe(world.source.walEnd);
  expect(world.log.upper).toBe(world.source.walEnd);
});
