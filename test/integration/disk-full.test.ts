/** A full disk under `tidelock serve` and `tidelock replicate` (F19, F20): they say so, lose nothing, and go on by themselves. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, inject, onTestFinished, test } from 'vitest';
import { openReplicaWith, type Replica } from '../../src/replica.ts';
import { Command } from '../support/command.ts';
import { limitFiles, MAY_MOUNT, SmallDisk } from '../support/small-disk.ts';
import { expectEqual, SCHEMA, TABLES } from '../support/small-world.ts';
import { Stack, until } from '../support/stack.ts';

const MEGABYTE = 1024 * 1024;

type Status = {
  readonly source: { readonly state: string };
  readonly log: {
    readonly state: string;
    readonly reason?: string;
    readonly upper: string;
    readonly confirmed: string;
  };
};

class Bed {
  readonly stack: Stack;
  readonly server: Command;
  readonly url: string;

  private constructor(stack: Stack, server: Command, url: string) {
    this.stack = stack;
    this.server = server;
    this.url = url;
  }

  /** A server in a process of its own, with its log in this folder. */
  static async open(data: string, schema = SCHEMA): Promise<Bed> {
    const stack = await Stack.prepare({
      ...{ postgresUrl: inject('postgresUrl'), schema, tables: TABLES },
    });
    onTestFinished(async () => {
      await until('the slot is free', async () => {
        const { rows } = await stack.sql.query(
          'SELECT 1 FROM pg_replication_slots WHERE slot_name = $1 AND active',
          [stack.name],
        );
        return rows.length === 0;
      });
      await stack.close();
    });
    const tables = Object.entries(TABLES).flatMap(([name, rule]) => ['--table', `${name}=${rule}`]);
    const server = new Command([
      ...['serve', '--json', '--port', '0', '--postgres', stack.url, '--data', data],
      ...['--slot', stack.name, '--publication', stack.name, ...tables],
    ]);
    await until('it is ready', () => server.stdout.includes('\n') || !server.isAlive, 30_000);
    expect(server.stderr).not.toContain('error ');
    const { url } = JSON.parse(server.stdout) as { url: string };
    const bed = new Bed(stack, server, url);
    await until('it streams', async () => (await bed.status()).source.state === 'streaming');
    return bed;
  }

  async status(): Promise<Status> {
    return (await (await fetch(`${this.url}/v1/status`)).json()) as Status;
  }

  async follow(name: string): Promise<Replica> {
    const options = { server: this.url, selectors: ['FR', 'DE'], file: this.stack.file(name) };
    const replica = await openReplicaWith(options, { heartbeatS: 1 });
    onTestFinished(() => replica.close());
    return replica;
  }

  replicate(file: string): Command {
    const selectors = ['--selector', 'FR', '--selector', 'DE'];
    return new Command(['replicate', '--server', this.url, ...selectors, '--db', file, '--json']);
  }

  /** About a megabyte that everybody gets; returns where it ends. */
  async write(round: number): Promise<string> {
    await this.stack.sql.query(
      `INSERT INTO city SELECT g, repeat(md5(g::text), 30), 'FR', g FROM generate_series(${round * 1000 + 1000}, ${round * 1000 + 1999}) g`,
    );
    return this.stack.position();
  }

  /** Writes until the server's log is full. */
  async fill(): Promise<void> {
    for (let round = 0; (await this.status()).log.state === 'ok'; round += 1) {
      if (round > 200) throw new Error('the disk does not fill up');
      await this.write(round);
    }
  }

  async slotIsBehind(position: string): Promise<boolean> {
    const { rows } = await this.stack.sql.query<{ is: boolean }>(
      'SELECT confirmed_flush_lsn <= $2::pg_lsn AS is FROM pg_replication_slots WHERE slot_name = $1',
      [this.stack.name, position],
    );
    return rows[0]?.is === true;
  }
}

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'tidelock-full-'));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** The server's log is full, `relieve` makes room. */
async function expectPatience(bed: Bed, relieve: () => void): Promise<void> {
  const replica = await bed.follow('r');
  const resyncs: string[] = [];
  replica.on('resync', ({ reason }) => resyncs.push(reason));
  await bed.fill();
  const full = await bed.status();
  expect(full.log.reason).toMatch(/disk|input/);
  const position = await bed.write(900);
  expect(await bed.slotIsBehind((await bed.status()).log.upper)).toBe(true);
  // What is known goes on being served, and nothing more is claimed.
  const known = await fetch(`${bed.url}/v1/feed?selector=FR&follow=0`);
  expect(known.status).toBe(200);
  expect(await known.text()).toContain('"progress"');
  const wait = await fetch(`${bed.url}/v1/wait?ts=${position}&timeout_s=1`);
  expect(wait.status).toBe(503);
  expect(await wait.json()).toMatchObject({ error: { code: 'LOG_WRITE_FAILED' } });
  relieve();
  await until('the log can be written', async () => (await bed.status()).log.state === 'ok');
  await replica.waitFor(await bed.stack.position(), { timeoutMs: 20_000 });
  await expectEqual(bed.stack, 'r', ['FR', 'DE']);
  expect(resyncs).toEqual([]);
  expect(bed.server.isAlive).toBe(true);
  expect(bed.server.stderr).toMatch(/the log cannot be written/);
  expect(bed.server.stderr).toMatch(/the log can be written again/);
}

test.skipIf(!MAY_MOUNT)(
  'P29, F19: the disk of the server’s log is full: nothing is acknowledged or lost, and it goes on when there is room',
  async () => {
    const disk = SmallDisk.mount(8);
    const bed = await Bed.open(join(disk.path, 'data'));
    await expectPatience(bed, () => disk.resize(400));
  },
);

test('P29, F20: the files of the server may not grow: nothing is acknowledged or lost, and it goes on when they may', async () => {
  const bed = await Bed.open(folder());
  const pid = bed.server.process.pid ?? 0;
  // A first copy is made on the same disk.
  limitFiles(pid, 3 * MEGABYTE);
  await expectPatience(bed, () => limitFiles(pid, null));
});

test.skipIf(!MAY_MOUNT)(
  'P29, F19: no room for a first copy at the server: it is refused with the reason, and works when there is room',
  async () => {
    const disk = SmallDisk.mount(6);
    const rows = `INSERT INTO kind SELECT 'k' || g, repeat(md5(g::text), 300) FROM generate_series(1, 2000) g`;
    const bed = await Bed.open(join(disk.path, 'data'), `${SCHEMA}; ${rows}`);
    const answer = await fetch(`${bed.url}/v1/snapshot?selector=FR`);
    expect(answer.status).toBe(503);
    expect(await answer.json()).toMatchObject({ error: { code: 'LOG_WRITE_FAILED' } });
    disk.resize(400);
    await until('the log can be written', async () => (await bed.status()).log.state === 'ok');
    await bed.follow('r');
    await expectEqual(bed.stack, 'r', ['FR', 'DE']);
  },
);

/** The replica's file is filled up, then `relieve` makes room. */
async function expectGoesOn(
  bed: Bed,
  replica: Command,
  work: { readonly file: string; readonly relieve: () => void },
): Promise<void> {
  for (let round = 0; !hasTrouble(replica); round += 1) {
    if (round > 200) throw new Error('the disk does not fill up');
    await bed.write(round);
  }
  const [trouble] = replica.lines.filter(isTrouble);
  expect(trouble).toMatchObject({ state: 'waiting', trouble: { code: 'REPLICA_WRITE_FAILED' } });
  // Others are not held up.
  const other = await bed.follow('other');
  await other.waitFor(await bed.write(900), { timeoutMs: 20_000 });
  work.relieve();
  await until(
    'the file has it all',
    async () =>
      (await bed.stack.differences(work.file, 'public.city', `country IN ('FR', 'DE')`)).length ===
      0,
    40_000,
  );
  expect(replica.isAlive).toBe(true);
  expect(replica.lines.filter(({ kind }) => kind === 'resync')).toEqual([]);
}

function isTrouble(line: { readonly kind: string; readonly [field: string]: unknown }): boolean {
  return line.kind === 'state' && line.state === 'waiting';
}

function hasTrouble(replica: Command): boolean {
  return replica.lines.some(isTrouble);
}

test.skipIf(!MAY_MOUNT)(
  'P27, F19: the disk of a replica is full: it says so, others go on, and it goes on when there is room',
  async () => {
    const bed = await Bed.open(folder());
    const disk = SmallDisk.mount(4);
    const file = join(disk.path, 'r.db');
    const replica = bed.replicate(file);
    await replica.caughtUp();
    await expectGoesOn(bed, replica, { file, relieve: () => disk.resize(400) });
  },
);

test('P27, F20: the file of a replica may not grow: it says so, others go on, and it goes on when it may', async () => {
  const bed = await Bed.open(folder());
  const file = join(folder(), 'r.db');
  const replica = bed.replicate(file);
  await replica.caughtUp();
  const pid = replica.process.pid ?? 0;
  limitFiles(pid, 2 * MEGABYTE);
  await expectGoesOn(bed, replica, { file, relieve: () => limitFiles(pid, null) });
});

test.skipIf(!MAY_MOUNT)(
  'P27, F19: no room for a replica’s first copy: it says so, and copies when there is room',
  async () => {
    const bed = await Bed.open(folder());
    for (let round = 0; round < 6; round += 1) await bed.write(round);
    const disk = SmallDisk.mount(2);
    const file = join(disk.path, 'r.db');
    const replica = bed.replicate(file);
    const trouble = await replica.line('it waits', isTrouble);
    expect(trouble).toMatchObject({ trouble: { code: 'REPLICA_WRITE_FAILED' } });
    disk.resize(400);
    await replica.caughtUp();
    await until('the file is there', async () => {
      const where = `country IN ('FR', 'DE')`;
      return (await bed.stack.differences(file, 'public.city', where)).length === 0;
    });
  },
);
