/** `tidelock runs` on hosts that are not the area's home, played with host ids: its server acts, a replica is looked at. */
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { RunChanges, RunQueryResult } from '../../src/planner/run-store.ts';
import type { RunsStatus } from '../../src/protocol/runs.ts';
import { AwayWorld } from '../support/away-world.ts';
import { Command } from '../support/command.ts';
import { until } from '../support/stack.ts';

const SECRET = 'a secret of thirty-two bytes or more';
/** Says that it runs, and waits for a file that the test makes when it has seen enough. */
const GATED =
  'touch "$MT_RUN_AREA_HOME/begun"; until [ -e "$MT_RUN_AREA_HOME/go" ]; do sleep 0.05; done';

test('a run of another host is performed at home and followed to its end, though the leader is killed in the middle', async () => {
  const world = new AwayWorld({
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
  const world = new AwayWorld({ good: '[ezsteps]\nrun true\n' });
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
  const world = new AwayWorld({ good: '[ezsteps]\nrun true\n' });
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

test('a server off the home host shows a replica: what changes, files from home, no actions; it outlives the leader', async () => {
  const world = new AwayWorld({ good: '[ezsteps]\nrun echo "all is well"\n' });
  const { server: home, url: homeUrl } = await world.serveOn('home');
  await world.text(world.on('home', ['run', '--target', 'x', '--name', 'one']));
  const { url } = await world.serveOn('far');
  expect(await world.text(world.far('serve'))).toContain(`shows the replica already: ${url}`);
  const read = async <T>(path: string): Promise<T> => (await fetch(`${url}${path}`)).json() as T;
  const status = (): Promise<RunsStatus> => read('/runs/v1/status');
  const changes = async (since: number): Promise<RunChanges | undefined> => {
    const query = encodeURIComponent(JSON.stringify({ kind: 'changes', since, limit: 1000 }));
    return (await read<RunQueryResult>(`/runs/v1/read?query=${query}`)).changes;
  };
  expect(await status()).toMatchObject({ host: 'far', replica: { home: 'home', url: homeUrl } });
  const first = await changes(0);
  const good = first?.rows.tests.find(({ name }) => name === 'good');
  const log = await fetch(`${url}/runs/v1/log?test=${good?.id}`);
  expect(await log.text()).toBe('all is well\n');
  const request = { action: 'kill', runId: null, testId: null, args: {} };
  const refused = await fetch(`${url}/runs/v1/tasks`, {
    ...{ method: 'POST', body: JSON.stringify(request) },
    headers: { 'content-type': 'application/json' },
  });
  expect(await refused.json()).toMatchObject({
    error: { code: 'OFF_HOME', message: expect.stringContaining(homeUrl) },
  });

  await world.text(world.on('home', ['rm', '--yes', '--name', 'one']));
  const gone = async (): Promise<boolean> =>
    ((await changes(first?.seq ?? 0))?.removed ?? []).some(
      ({ table, id }) => table === 'tests' && id === good?.id,
    );
  await until('the replica hears of what went away', gone);
  await home.kill('SIGKILL');
  await until('it says so', async () => (await status()).replica?.trouble !== null);
  const next = await world.serveOn('home');
  await until('it follows the next leader', async () => {
    const { replica } = await status();
    return replica?.url === next.url && replica.trouble === null;
  });
});
