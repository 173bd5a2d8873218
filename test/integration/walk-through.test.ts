/** The README's walk-through of writing offline: its commands are run as they stand there, and say what it says. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { until } from '../support/stack.ts';

const PROGRAM = resolve('bin/tidelock');
const START_MS_MAX = 90_000;

/** The fenced blocks of the walk-through, in order: one array of lines each. */
function blocks(): readonly (readonly string[])[] {
  const readme = readFileSync('README.md', 'utf8');
  const [, rest = ''] = readme.split('### Write, also offline');
  const [section = ''] = rest.split(/^#+ /m);
  return [...section.matchAll(/^```\n([\s\S]*?)^```$/gm)].map(([, text = '']) =>
    text.trim().split('\n'),
  );
}

class Program {
  readonly #process: ChildProcess;
  output = '';
  #marks = 0;

  /** `command`: as it is typed, `bin/tidelock` first. */
  constructor(command: string, folder: string, more: readonly string[]) {
    const words = [...command.matchAll(/'([^']*)'|(\S+)/g)].map(
      ([, quoted, word]) => quoted ?? word ?? '',
    );
    this.#process = spawn(process.execPath, [PROGRAM, ...words.slice(1), ...more], { cwd: folder });
    for (const stream of [this.#process.stdout, this.#process.stderr]) {
      stream?.on('data', (bytes: Buffer) => {
        this.output += bytes.toString();
      });
    }
    onTestFinished(() => this.end('SIGTERM'));
  }

  /** Waits until it has printed this. */
  async says(pattern: RegExp, what: string): Promise<RegExpExecArray> {
    await until(what, () => pattern.test(this.output) || !this.#isAlive, START_MS_MAX);
    const found = pattern.exec(this.output);
    if (found !== null) return found;
    throw new Error(`${what}: it ended. ${this.output}`);
  }

  /** Types one line into a shell; the lines that it prints. */
  async types(line: string): Promise<readonly string[]> {
    this.#marks += 1;
    const mark = `end of ${this.#marks}`;
    this.output = '';
    this.#process.stdin?.write(`${line}\nSELECT '${mark}' AS mark;\n`);
    await this.says(new RegExp(`^${mark}\n`, 'm'), `${line} is done`);
    const [printed = ''] = this.output.split(/^mark$/m);
    return printed
      .trimEnd()
      .split('\n')
      .filter((text) => text !== '');
  }

  async end(signal: NodeJS.Signals): Promise<void> {
    if (!this.#isAlive) return;
    const ended = once(this.#process, 'close');
    this.#process.kill(signal);
    await ended;
  }

  async exit(): Promise<number | null> {
    if (this.#isAlive) await once(this.#process, 'close');
    return this.#process.exitCode;
  }

  get #isAlive(): boolean {
    return this.#process.exitCode === null && this.#process.signalCode === null;
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

/** How much the background had done already differs from run to run. */
const shape = (line: string): string =>
  line.startsWith('{"sent"') ? line.replace(/\d+/g, 'n') : line;

async function follow(
  lines: readonly string[],
  shells: Readonly<Record<string, Program>>,
): Promise<void> {
  let printed: readonly string[] = [];
  let shown: string[] = [];
  for (const line of [...lines, '']) {
    const typed = /^(\w+)> (.*)$/.exec(line);
    if (typed === null && line !== '') {
      shown.push(line);
      continue;
    }
    expect(printed.map(shape)).toEqual(shown.map(shape));
    shown = [];
    printed = (await shells[typed?.[1] ?? '']?.types(typed?.[2] ?? '')) ?? [];
  }
}

test('the README walks through two windows that edit one row offline and agree', {
  timeout: 240_000,
}, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'tidelock-walk-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const [commands = [], together = [], apart = [], again = []] = blocks();
  const [serve = '', enable = '', ann = '', bob = ''] = commands.map((line) => line.slice(2));
  const port = await freePort();
  const address = ['--server', `http://127.0.0.1:${port}`];
  const start = async (): Promise<{ server: Program; postgres: string }> => {
    const server = new Program(serve, folder, ['--port', String(port)]);
    const [, postgres = ''] = await server.says(/source\s+(postgres:\S+)/, 'the server is up');
    return { server, postgres };
  };
  const { server, postgres } = await start();
  const enabling = new Program(enable.replace(/postgres:\/\/\S+/, postgres), folder, []);
  expect(await enabling.exit(), enabling.output).toBe(0);
  await until('the table is served', async () => {
    const session = await fetch(`http://127.0.0.1:${port}/v1/session`);
    return (await session.text()).includes('public.note');
  });
  const shells = { ann: new Program(ann, folder, address), bob: new Program(bob, folder, address) };
  await follow(together, shells);
  await server.end('SIGINT');
  await follow(apart, shells);
  await start();
  await follow(again, shells);
});
