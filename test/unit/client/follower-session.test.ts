import { expect, onTestFinished, test } from 'vitest';
import type { ReplicaEvent } from '../../../src/client/events.ts';
import { Follower } from '../../../src/client/follower.ts';
import { isCaughtUp } from '../../../src/client/machine.ts';
import { ServerApi } from '../../../src/client/server-api.ts';
import { TidelockError } from '../../../src/core/errors.ts';
import { insert } from './feed-lines.ts';
import { ManualClock, until } from './manual-clock.ts';
import { MemoryFiles } from './memory-files.ts';
import { ModelServer } from './model-server.ts';

/** A follower whose selectors the server tells. */
function setup(): {
  readonly server: ModelServer;
  readonly clock: ManualClock;
  readonly files: MemoryFiles;
  readonly events: ReplicaEvent[];
  readonly session: { selectors: readonly string[] | null; asked: number };
  readonly open: () => Follower;
} {
  const server = new ModelServer();
  const clock = new ManualClock();
  const files = new MemoryFiles();
  const events: ReplicaEvent[] = [];
  const session = { selectors: ['FR'] as readonly string[] | null, asked: 0 };
  const open = (): Follower => {
    const follower = new Follower({
      ...{ clock, files, api: new ServerApi(server), server: 'http://model', selectors: null },
      random: () => 0.5,
      newId: () => 'r1',
      session: async () => {
        session.asked += 1;
        if (session.selectors !== null) return session.selectors;
        throw new TidelockError({ code: 'SERVER_UNREACHABLE', message: 'nobody is there' });
      },
      onEvent: (event) => events.push(event),
    });
    onTestFinished(() => follower.close());
    follower.start();
    return follower;
  };
  return { server, clock, files, events, session, open };
}

test('the first copy holds what the server says that the user may hold', async () => {
  const { server, files, open } = setup();
  server.commit(insert(1, 'Paris'), insert(2, 'Rome', 'IT'));
  const follower = open();
  await until('it is caught up', () => isCaughtUp(follower.state));
  expect(files.store?.identity.selectors).toEqual(['FR']);
  expect(files.store?.dump()).toHaveLength(1);
});

test('when the user may hold something else, the difference is fetched at the next connection', async () => {
  const { server, files, events, session, open } = setup();
  server.commit(insert(1, 'Paris'), insert(2, 'Rome', 'IT'));
  const first = open();
  await until('it is caught up', () => isCaughtUp(first.state));
  await first.close();
  session.selectors = ['IT'];
  const second = open();
  await until('it is caught up again', () => isCaughtUp(second.state));
  expect(files.store?.identity.selectors).toEqual(['IT']);
  expect(files.store?.dump()).toEqual([JSON.stringify([2, 'Rome', 'IT'])]);
  expect(events.filter(({ kind }) => kind === 'resync')).toHaveLength(1);
});

test('P28: without a server the file is open at once, and followed when the server is back', async () => {
  const { server, clock, session, open } = setup();
  const first = open();
  await until('it is caught up', () => isCaughtUp(first.state));
  await first.close();
  session.selectors = null;
  const second = open();
  await second.ready;
  expect(second.selectors).toEqual(['FR']);
  await until('it waits', () => second.state.kind === 'waiting');
  session.selectors = ['FR'];
  server.commit(insert(3, 'Lyon'));
  clock.advance(1000);
  await until('it is caught up', () => isCaughtUp(second.state));
  expect(session.asked).toBe(4); // before every connection
});
