/** `tidelock runs` on hosts that are not the area's home, played with host ids: its server acts, a replica is looked at. */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { Command } from '../support/command.ts';
import { until } from '../support/stack.ts';
import { writtenArea } from '../support/written-area.ts';

const SECRET = 'a secret of thirty-two bytes or more';
/** Says that it runs, and waits for a file that the test makes when it has seen enough. */
const GATED =
  'touch "$MT_RUN_AREA_HOME/begun"; until [ -e "$MT_RUN_AREA_HOME/go" ]; do sleep 0.05; done';

class World {
  readonly area: string;
  readonly #temp: string;

  constructor(tests: Readonly<Record<string, string>>) {
    this.area = writtenArea(tests);
    this.#temp = mkdtempSync(join(tmpdir(), 'tidelock-away-'));
    onTestFinished(() => rmSync(this.#temp, { recursive: true, force: true, maxRetries: 5 }));
  }

  on(host: string, args: readonly string[], environment: Record<string, string> = {}): Command {
    const words = ['runs', ...args, '--area', this.area, '--host-id', host];
    return new Command(words, { TMPDIR: this.#temp, ...environment });
  }

  /** On a host that is not the home. */
  far(...args: readonly string[]): Command {
    return this.on('far', args);
  }

  /** Of a command that ends well. */
  async text(command: Command): Promise<string> {
    expect(await command.exit(), command.stderr).toBe(0);
    return command.stdout;
  }

  async serve(environment: Record<string, string> = {}): Promise<Command> {
    const server = this.on('home', ['serve', '--json'], environment);
    await server.line('it serves', ({ ready }) => ready === true);
    return server;
  }
}

test('a run of another host is performed at home and followed to its end, though the leader is killed in the middle', async () => {
  const world = new World({
    slow: `[ezsteps]\nrun ${GATED}\n`,
    bad: '[requirements]\nwaiton slow\n[ezsteps]\nrun echo "the reason"; exit 3\n',
  });
  const first = await world.serve();
  const run = world.far('run', '--target', 'x', '--name', 'one');
  await until('the test runs', () => existsSync(join(world.area, 'begun')));
  const left = world.far('run', '--target', 'x', '--name', 'one');
  await until('it follows too', () => left.stderr.includes('under way already'));
  expect(await left.kill('SIGINT')).toBe(3);
  expect(left.stderr).toContain('leaving: the run goes on');
  await first.kill('SIGKILL');
  await until('it waits', () => run.stderr.includes('waiting for the server of home'));
  await world.serve();
  await until('it is answered again', () => run.stderr.includes('the server of home answers'));
  writeFileSync(join(world.area, 'go'), '');
  expect(await run.exit(), run.stderr).toBe(1);
  expect(run.stdout).toMatch(/^PASS .* slow$/m);
  expect(run.stdout).toContain('| the reason');
  expect(run.stdout).toContain('--host-id far');
  expect(await world.text(world.far('log', 'bad'))).toBe('the reason\n');
});

test('another host sees what the home host sees, and without a server how old that is', async () => {
  const world = new World({ good: '[ezsteps]\nrun true\n' });
  const server = await world.serve();
  await world.text(world.on('home', ['run', '--target', 'x', '--name', 'one']));
  const looks = [
    ['show', '--json'],
    ['report', '--format', 'csv'],
  ];
  for (const look of looks) {
    const [here, there] = [world.on('home', look), world.far(...look)];
    expect(await world.text(there)).toBe(await world.text(here));
  }
  const many = Array.from({ length: 3 }, () => world.on('third', ['ls']));
  for (const one of many) expect(await world.text(one)).toContain('1 good');

  expect(await world.text(world.far('lock'))).toContain('lock: done');
  const locked = world.far('set', 'COMPLETED/WAIVED', '--pattern', 'good');
  expect(await locked.exit()).toBe(1);
  expect(locked.stderr).toContain('RUN_LOCKED');
  await world.text(world.far('unlock'));

  await server.kill('SIGTERM');
  const late = world.far('ls');
  expect(await world.text(late)).toContain('1 good');
  expect(late.stderr).toMatch(/warning: as of \d.*: the server of home cannot be reached/);
  for (const act of [world.far('kill'), world.on('fourth', ['ls'])]) {
    expect(await act.exit()).toBe(1);
    expect(act.stderr).toContain('error OFF_HOME');
    expect(act.stderr).toContain('start it on home: tidelock runs serve');
  }
});

test('a server with keys wants a token of other hosts, and says which', async () => {
  const world = new World({ good: '[ezsteps]\nrun true\n' });
  const keys = { TIDELOCK_TOKEN_SECRETS: SECRET };
  await world.serve(keys);
  const none = world.far('ls');
  expect(await none.exit()).toBe(1);
  expect(none.stderr).toContain('error TOKEN_INVALID: the server of home');
  expect(none.stderr).toContain(`tidelock token --selector ${world.area} --scope read,write`);
  const token = async (scope: string): Promise<string> => {
    const issued = new Command(['token', '--selector', world.area, '--scope', scope], keys);
    return (await world.text(issued)).trim();
  };
  const reader = { TIDELOCK_TOKEN: await token('read') };
  const words = ['run', '--target', 'x', '--name', 'one'];
  const refused = world.on('far', words, reader);
  expect(await refused.exit()).toBe(1);
  expect(refused.stderr).toContain('error TOKEN_FORBIDS');
  await world.text(world.far(...words, '--token', await token('read,write')));
  expect(await world.text(world.on('far', ['ls'], reader))).toContain('1 good');
});
