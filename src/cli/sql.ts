/** `tidelock sql`: an interactive SQL shell, or a batch; over a service of its own, or over a server's. */
import {
  closeSync,
  createReadStream,
  fstatSync,
  openSync,
  type ReadStream,
  readFileSync,
  writeFileSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import type { Command } from 'commander';
import { messageOf, TidelockError } from '../core/errors.ts';
import { systemClock } from '../engine/clock.ts';
import { SqlService } from '../engine/sql/service.ts';
import { strongRandom, tokenOf } from './options.ts';
import { SQL_HELP } from './sql-commands.ts';
import { SqlShell } from './sql-shell.ts';
import { localTarget, remoteTarget, type SqlTarget } from './sql-target.ts';

type SqlFlags = {
  readonly server?: string;
  readonly token?: string;
  readonly data?: string;
  readonly json?: boolean;
};

/** Lines that are remembered from one time to the next. */
const HISTORY_MAX = 1000;

export function register(program: Command): void {
  program
    .command('sql')
    .description('SQL: a shell or a batch, over a server with --sql-port, or over files alone')
    .argument('[file]', 'statements to run; without it those typed, or those of stdin')
    .option('--server <url>', "the server's SQL port, for example postgres://127.0.0.1:7701")
    .option('--token <token>', 'JWT, if the server wants one (or TIDELOCK_TOKEN)')
    .option('--data <dir>', 'without --server: folder that keeps everything (default: memory)')
    .option('--json', 'print every row as one JSON line')
    .addHelpText('after', SQL_HELP)
    .action(run);
}

async function run(file: string | undefined, flags: SqlFlags): Promise<void> {
  const target = await openTarget(flags);
  try {
    const isTerminal = file === undefined && process.stdin.isTTY === true;
    const shell = new SqlShell({ target, isJson: flags.json === true, isTerminal });
    const lines = isTerminal ? typedLines() : batchLines(file);
    try {
      await shell.run(lines);
    } finally {
      lines.close();
    }
  } finally {
    await target.close();
  }
}

async function openTarget({ server, token, data }: SqlFlags): Promise<SqlTarget> {
  if (server !== undefined) {
    if (data !== undefined) throw wrongUsage('--data is for SQL without --server');
    if (!/^postgres(ql)?:\/\//.test(server)) {
      throw wrongUsage(`--server is postgres://host:port, not ${server}`);
    }
    return await remoteTarget(server, tokenOf(token));
  }
  const service = await SqlService.open({
    dir: data === undefined ? null : resolve(data),
    rows: null,
    clock: systemClock,
    files: 'any',
    random: strongRandom,
    onNotice: (notice) => void process.stderr.write(`${notice}\n`),
  });
  return localTarget(service, () => service.close());
}

function batchLines(file: string | undefined): Interface {
  const input = file === undefined || file === '-' ? process.stdin : openFile(file);
  return createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY });
}

function openFile(file: string): ReadStream {
  try {
    const fd = openSync(file, 'r');
    if (fstatSync(fd).isDirectory()) {
      closeSync(fd);
      throw new Error(`${file} is a folder`);
    }
    return createReadStream(file, { fd });
  } catch (error) {
    throw wrongUsage(`the file cannot be read: ${messageOf(error)}`);
  }
}

function wrongUsage(message: string): TidelockError {
  return new TidelockError({ code: 'BAD_REQUEST', message, details: { isUsage: true } });
}

function typedLines(): Interface {
  const path = join(homedir(), '.tidelock_sql_history');
  const lines = createInterface({
    ...{ input: process.stdin, output: process.stdout, terminal: true },
    ...{ history: readHistory(path), historySize: HISTORY_MAX, removeHistoryDuplicates: true },
  });
  lines.on('history', (history: readonly string[]) => keepHistory(path, history));
  return lines;
}

/** The newest first. A missing file is an empty history. */
function readHistory(path: string): string[] {
  try {
    return readFileSync(path, 'utf8')
      .split('\n')
      .filter((line) => line !== '');
  } catch {
    return [];
  }
}

/** For the reader alone: statements may hold secrets. A home that cannot be written to has no history. */
function keepHistory(path: string, history: readonly string[]): void {
  try {
    writeFileSync(path, history.join('\n'), { mode: 0o600 });
  } catch {}
}
