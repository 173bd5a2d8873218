/** The link from Postgres to the server: it knows transactions with rows, and does only what a byte stream can do. */
import { once } from 'node:events';
import { createConnection, createServer, type Socket } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { PostgresLink } from '../../../../src/bench/script/postgres-link.ts';
import { linkDirectives } from '../../../../src/bench/script/real-links.ts';
import { until } from '../../../../src/bench/until.ts';
import { Arguments } from '../../../../src/script/arguments.ts';
import type { Call } from '../../../../src/script/run.ts';

const PLACE = { file: 'made-up.test', line: 1, column: 1 };
const WAIT = { limitMs: 10_000, signal: new AbortController().signal };
const closers: (() => void | Promise<void>)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

function message(type: string, body: Uint8Array | string): Buffer {
  const bytes = Buffer.from(body);
  const head = Buffer.alloc(5);
  head.write(type);
  head.writeUInt32BE(bytes.length + 4, 1);
  return Buffer.concat([head, bytes]);
}

/** As the walsender sends what the plugin says. */
function wal(said: string): Buffer {
  return message('d', Buffer.concat([Buffer.from('w'), Buffer.alloc(24), Buffer.from(said)]));
}

const KEEPALIVE = message('d', `k${'.'.repeat(17)}`);
const EMPTY = [wal('Bempty'), wal('Mmessage'), wal('Cempty')];
const FIRST = [wal('Bone'), wal('Irow'), wal('Cone')];
const SECOND = [wal('Btwo'), wal('Urow'), wal('Ctwo')];

type Bed = {
  readonly link: PostgresLink;
  /** Of Postgres. */
  readonly postgres: Socket;
  readonly arrived: () => string;
  readonly isOver: () => boolean;
};

async function connect(): Promise<Bed> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  closers.push(() => new Promise<void>((resolve) => server.close(() => resolve())));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('it does not listen');
  const link = await PostgresLink.start(`postgres://user@127.0.0.1:${address.port}/db`);
  closers.push(() => link.close());
  const accepted = once(server, 'connection');
  const client = createConnection({ host: '127.0.0.1', port: Number(new URL(link.url).port) });
  closers.push(() => void client.destroy());
  let bytes = Buffer.alloc(0);
  let isOver = false;
  client.on('data', (more: Buffer) => {
    bytes = Buffer.concat([bytes, more]);
  });
  client.on('error', () => undefined);
  client.on('close', () => {
    isOver = true;
  });
  const [postgres] = (await accepted) as [Socket];
  postgres.on('error', () => undefined);
  return { link, postgres, arrived: () => bytes.toString('latin1'), isOver: () => isOver };
}

/** In slices, as a socket may bring them. */
function send(postgres: Socket, messages: readonly Buffer[]): void {
  const bytes = Buffer.concat(messages);
  for (let at = 0; at < bytes.length; at += 7) postgres.write(bytes.subarray(at, at + 7));
}

function textOf(messages: readonly Buffer[]): string {
  return Buffer.concat(messages).toString('latin1');
}

test('transactions with rows are held, and what follows them; each is let go with what stands before the next', async () => {
  const { link, postgres, arrived } = await connect();
  link.hold();
  const before = [message('W', 'both'), ...EMPTY, KEEPALIVE];
  send(postgres, [...before, ...FIRST, KEEPALIVE, ...EMPTY, ...SECOND, KEEPALIVE]);
  await until('two are held', () => link.held === 2, WAIT);
  await until('the rest is there', () => arrived() === textOf(before), WAIT);
  link.release(1);
  const one = [...before, ...FIRST, KEEPALIVE, ...EMPTY];
  await until('the first is there', () => arrived() === textOf(one), WAIT);
  expect(link.held).toBe(1);
  link.release(null);
  await until('all is there', () => arrived() === textOf([...one, ...SECOND, KEEPALIVE]), WAIT);
  send(postgres, FIRST);
  await until('later ones pass', () => arrived().endsWith(textOf(FIRST)), WAIT);
});

test('a large transaction counts when it commits', async () => {
  const { link, postgres } = await connect();
  link.hold();
  send(postgres, [message('W', 'both'), wal('Spiece'), wal('Irow'), wal('Epiece')]);
  send(postgres, [wal('ccommit')]);
  await until('it is held', () => link.held === 1, WAIT);
});

test('what is no replication passes, and a cut breaks it with what is held', async () => {
  const { link, postgres, arrived, isOver } = await connect();
  link.hold();
  const answer = [message('T', 'columns'), message('D', 'row'), wal('Irow')];
  send(postgres, answer);
  await until('the answer is there', () => arrived() === textOf(answer), WAIT);
  send(postgres, [message('W', 'both'), ...FIRST]);
  await until('it is held', () => link.held === 1, WAIT);
  link.cut();
  await until('the connection is gone', () => isOver() && link.held === 0, WAIT);
});

test.each(['drop', 'dup', 'swap'])('%s is refused on the link of Postgres', async (command) => {
  const { link } = await connect();
  const directives = linkDirectives(
    {
      source: link,
      linkOf: () => {
        throw new Error('no replica is meant');
      },
    },
    WAIT,
  );
  const args = new Arguments([{ kind: 'value', key: 'link', value: 'pg' }], [PLACE], PLACE);
  const act = async (): Promise<unknown> => directives[command]?.({ args } as Call);
  await expect(act()).rejects.toThrow(/a connection to Postgres never/);
});
