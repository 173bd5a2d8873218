/** What an execution has left, over HTTP from a real server with keys: who may read it, and what nobody is given. */
import { expect, test } from 'vitest';
import type { ExecutionFacts, LogFound, WorkFiles } from '../../src/protocol/run-files.ts';
import { Command } from '../support/command.ts';
import { writtenArea } from '../support/written-area.ts';

const SECRET = 'a secret of tests that is long enough for HS256';
const LEAVES = `[ezsteps]
leave printf 'one\\ntwo needle\\n'; mkdir sub; echo kept > sub/kept.html; ln -s /etc/passwd out; ln -s .. up; mkfifo pipe
[pre-launch-env-vars]
LEVEL 3
`;

async function text(command: Command): Promise<string> {
  expect(await command.exit(), command.stderr).toBe(0);
  return command.stdout.trim();
}

test('files, searches and facts need a token of the area, and nothing but files of the work area is given', async () => {
  const area = writtenArea({ leaves: LEAVES }, { 'quarantine.config': 'x% ann 2999-01-31 port\n' });
  const keys = { TIDELOCK_TOKEN_SECRETS: SECRET };
  const run = ['runs', 'run', '--area', area, '--target', 'x', '--name', 'one'];
  await text(new Command([...run, '--set-var', 'SEED=7'], { DEPLOY_TOKEN: 'hunter2' }));
  const [reader, stranger] = await Promise.all(
    [area, 'other'].map((selector) =>
      text(new Command(['token', '--selector', selector, '--scope', 'read'], keys)),
    ),
  );
  const serve = ['runs', 'serve', '--area', area, '--port', '0', '--json'];
  const server = new Command(serve, keys);
  const { url } = (await server.line('it serves', ({ ready }) => ready === true)) as unknown as {
    readonly url: string;
  };
  const get = (path: string, token = reader): Promise<Response> =>
    fetch(`${url}/runs/v1/${path}`, { headers: { authorization: `Bearer ${token}` } });
  const given = async <T>(path: string): Promise<T> => (await (await get(path)).json()) as T;

  const paths = ['log?test=1', 'log/search?test=1&text=x', 'log/place?test=1&toLine=1'];
  const more = ['files?test=1', 'file?test=1&file=leave.log', 'execution?test=1', 'quarantine'];
  for (const path of [...paths, ...more]) {
    expect((await get(path)).status, path).toBe(200);
    expect((await get(path, stranger)).status, path).toBe(403);
    expect((await fetch(`${url}/runs/v1/${path}`)).status, path).toBe(401);
  }
  const { files } = await given<WorkFiles>('files?test=1');
  expect(files.map(({ path }) => path)).toEqual(['leave.log', 'sub/kept.html', 'testconfig']);
  const kept = await get('file?test=1&file=sub%2Fkept.html');
  expect([await kept.text(), kept.headers.get('content-type')]).toEqual([
    ...['kept\n', 'application/octet-stream'],
  ]);
  const wrong = [
    ...['out', 'pipe', 'up/area.config', 'megatest.sh', 'megatest.csh', '.tidelock/1/launch.json'],
    ...['%2e%2e/%2e%2e/area.config', '/etc/passwd', 'sub/%00', 'sub', 'sub/../megatest.sh'],
  ];
  for (const file of wrong) {
    for (const path of ['file', 'log', 'log/search', 'log/place'])
      expect((await get(`${path}?test=1&file=${file}`)).status, `${path} ${file}`).toBe(404);
  }
  const found = await given<LogFound>('log/search?test=1&text=NEEDLE');
  expect(found).toMatchObject({ hits: [{ byte: 4, line: 2 }], isEnd: true });
  const answer = await (await get('execution?test=1&against=1')).text();
  expect(answer).not.toContain('hunter2');
  expect(JSON.parse(answer) as ExecutionFacts).toMatchObject({
    ...{ process: { isAlive: false }, environment: [] },
    setVars: [{ name: 'SEED', value: '7' }],
  });
  expect(await given('quarantine')).toMatchObject({ entries: [{ pattern: 'x%', owner: 'ann' }] });
});
