import { afterEach, expect, test } from 'vitest';
import type { Feed } from '../../../src/engine/api.ts';
import { type Harness, RawClient, startServer, until } from './support.ts';

const READERS = 700;
const SLICE = 500;

let harness: Harness | undefined;

afterEach(async () => {
  await harness?.server.close();
  harness = undefined;
});

/** Notes in which turn of the event loop each feed is read. */
function watchReads(feeds: Iterable<Feed>): { turnOf: Map<Feed, number>; stop: () => void } {
  const turnOf = new Map<Feed, number>();
  let turn = 0;
  let isOn = true;
  const count = (): void => {
    turn += 1;
    if (isOn) setImmediate(count);
  };
  setImmediate(count);
  for (const feed of feeds) {
    const read = feed.read.bind(feed);
    feed.read = () => {
      if (!turnOf.has(feed)) turnOf.set(feed, turn);
      return read();
    };
  }
  return {
    turnOf,
    stop: () => {
      isOn = false;
    },
  };
}

test('a broadcast to many readers leaves the event loop free in between', async () => {
  harness = await startServer();
  const { engine, port } = harness;
  const clients: RawClient[] = [];
  while (clients.length < READERS) {
    const client = await RawClient.open(port);
    client.get('/v1/feed?selector=FR');
    clients.push(client);
  }
  for (const client of clients) await client.saw('"progress"');
  const { turnOf, stop } = watchReads(engine.feeds);
  engine.commit('FR', ['{"type":"insert"}']);
  await until('all have read', () => turnOf.size === READERS);
  stop();
  const perTurn = new Map<number, number>();
  for (const turn of turnOf.values()) perTurn.set(turn, (perTurn.get(turn) ?? 0) + 1);
  expect([...perTurn.values()]).toEqual([SLICE, READERS - SLICE]);
  for (const client of clients) await client.saw('"commit"');
});
