/** `tidelock shell`: SQL on a two-way replica, with synchronisation in the background and by command. */
import { basename, extname } from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import type { Command } from 'commander';
import type { LocalRejection } from '../client/store.ts';
import { messageOf, TidelockError } from '../core/errors.ts';
import { collect, secondsOption, tokenOf } from './options.ts';
import { type ShellInput, ShellReader } from './shell-input.ts';
import { jsonText, tableText } from './shell-print.ts';
import { openShellSession, type ShellSession } from './shell-session.ts';

type ShellFlags = {
  readonly server: string;
  readonly token?: string;
  readonly selector?: readonly string[];
  readonly timeout?: number;
  readonly json?: boolean;
};

const DEFAULT_SERVER = 'http://127.0.0.1:7700';

const HELP = `
Statements end with ; and one of them, or what stands between BEGIN and COMMIT, is a local transaction: Postgres
takes or refuses it as a whole. It is sent in the background, also later when there is no server now.
  .sync                send what was written here, then fetch what is in Postgres
  .send, .check        one of the two
  .pending             local transactions that are not sent
  .rejected [clear]    writes that Postgres refused and that were taken back here
  .tables              the tables
  .schema [TABLE]      their definitions
  .quit                the end, also Ctrl-D
A file that another process keeps (replicate --write) is open for SQL too: that process sends.
In SQL: tidelock_send(), tidelock_check(), tidelock_sync(), tidelock_uuid()
`;

export function register(program: Command): void {
  program
    .command('shell')
    .description('SQL on a replica that writes: local, offline, synchronised')
    .argument('<file>', 'the SQLite file, made when it does not exist')
    .option('--server <url>', 'address of the server', DEFAULT_SERVER)
    .option('--token <token>', 'JWT, if the server wants one (or TIDELOCK_TOKEN)')
    .option('--selector <selector>', 'a subset to hold; default: what the token permits', collect)
    .option('--timeout <seconds>', 'how long .sync and its like wait; default 30', secondsOption)
    .option('--json', 'print every row as one JSON line')
    .addHelpText('after', HELP)
    .action(async (file: string, flags: ShellFlags) => {
      await run(file, flags);
    });
}

async function run(file: string, flags: ShellFlags): Promise<void> {
  const isTerminal = process.stdin.isTTY === true;
  // Without a file yet there is nothing to work on, so what holds up the first copy is told to everybody.
  let onNews = (text: string): void => void process.stderr.write(`${text}\n`);
  const session = await openShellSession({
    ...{ file, server: flags.server, token: tokenOf(flags.token), selectors: flags.selector },
    timeoutMs: flags.timeout === undefined ? undefined : flags.timeout * 1000,
    onNews: (text) => onNews(text),
  });
  const input = createInterface({
    ...{ input: process.stdin, output: process.stdout, terminal: isTerminal },
  });
  const prompt = `${basename(file, extname(file))}> `;
  const shell = new Shell(session, { isJson: flags.json === true, isTerminal, prompt });
  onNews = isTerminal ? (text) => shell.interrupt(input, text) : () => undefined;
  try {
    await shell.run(input);
  } finally {
    input.close();
    await session.close();
  }
}

type ShellMode = {
  readonly isJson: boolean;
  readonly isTerminal: boolean;
  readonly prompt: string;
};

class Shell {
  readonly #session: ShellSession;
  readonly #flags: ShellMode;
  readonly #reader = new ShellReader();
  #isEnded = false;
  /** Ends the wait for the network that is under way. */
  #waiting: AbortController | null = null;

  constructor(session: ShellSession, flags: ShellMode) {
    this.#session = session;
    this.#flags = flags;
  }

  /** Reads to the end. From a terminal errors are told; otherwise the first one ends it. */
  async run(input: Interface): Promise<void> {
    input.on('SIGINT', () => this.#onInterrupt(input));
    this.#prompt(input);
    for await (const line of input) {
      await this.#take(this.#reader.push(line));
      if (this.#isEnded) break;
      this.#prompt(input);
    }
    // Ctrl-D leaves the cursor behind the prompt.
    if (!this.#isEnded && this.#flags.isTerminal) process.stdout.write('\n');
    if (!this.#isEnded) await this.#take(this.#reader.end());
    if (this.#session.isInTransaction) this.#fail(rolledBack(), this.#reader.line);
  }

  /** Ctrl-C ends a wait; without one, what is being typed. */
  #onInterrupt(input: Interface): void {
    process.stdout.write('\n');
    if (this.#waiting !== null) {
      this.#waiting.abort(interrupted());
      return;
    }
    this.#reader.clear();
    this.#prompt(input);
  }

  /** Something happened in the background. What is being typed stays. */
  interrupt(input: Interface, text: string): void {
    // The replica cannot write meanwhile, and says so; it is no trouble.
    if (this.#session.isInTransaction && text.startsWith('REPLICA_WRITE_FAILED')) return;
    process.stderr.write(`\r\u001b[K${text}\n`);
    if (this.#waiting !== null) return; // the prompt comes after the answer
    input.prompt(true);
  }

  #prompt(input: Interface): void {
    if (!this.#flags.isTerminal) return;
    const { prompt } = this.#flags;
    input.setPrompt(this.#reader.isOpen ? '...> '.padStart(prompt.length) : prompt);
    input.prompt();
  }

  async #take(inputs: readonly ShellInput[]): Promise<void> {
    for (const input of inputs) {
      if (this.#isEnded) return;
      try {
        if (input.kind === 'statement') this.#print(this.#session.run(input.text));
        else await this.#command(input.words);
      } catch (error) {
        this.#fail(error, input.line);
      }
    }
  }

  async #command([name = '', argument]: readonly string[]): Promise<void> {
    switch (name) {
      case 'send':
      case 'check':
      case 'sync':
        this.#say(JSON.stringify(await this.#wait(name)));
        return;
      case 'pending':
        this.#say(String(this.#session.call('pending')));
        return;
      case 'rejected':
        this.#rejected(argument === 'clear');
        return;
      case 'tables':
        this.#print(this.#session.run(`${TABLES_SQL} ORDER BY name`));
        return;
      case 'schema':
        this.#schema(argument);
        return;
      case 'help':
        this.#say(HELP.trim());
        return;
      case 'quit':
      case 'exit':
        this.#isEnded = true;
        return;
      default:
        throw new TidelockError({
          code: 'BAD_REQUEST',
          message: `there is no command .${name}`,
          hint: '.help names them',
        });
    }
  }

  /** From a terminal Ctrl-C ends the wait. */
  async #wait(name: 'send' | 'check' | 'sync'): Promise<unknown> {
    const waiting = new AbortController();
    this.#waiting = waiting;
    try {
      return await this.#session.wait(name, waiting.signal);
    } finally {
      this.#waiting = null;
    }
  }

  #rejected(isCleared: boolean): void {
    if (isCleared) {
      this.#session.call('forget');
      return;
    }
    const rejections = this.#session.call('rejected') as readonly LocalRejection[];
    const columns = ['operation', 'table', 'key', 'code', 'message', 'rejected at'];
    const rows = rejections.map(({ operation, table, key, code, message, rejectedAt }) => [
      operation,
      table,
      key.join(', '),
      code,
      message,
      rejectedAt,
    ]);
    this.#print({ columns, rows, changes: null });
  }

  #schema(table: string | undefined): void {
    const condition = table === undefined ? '' : ` AND tbl_name = '${table.replaceAll("'", "''")}'`;
    const { rows } = this.#session.run(`${SCHEMA_SQL}${condition} ORDER BY tbl_name, type DESC`);
    for (const [sql] of rows) this.#say(`${String(sql)};`);
  }

  #print(result: Parameters<typeof tableText>[0]): void {
    process.stdout.write(this.#flags.isJson ? jsonText(result) : tableText(result));
  }

  #say(text: string): void {
    process.stdout.write(`${text}\n`);
  }

  #fail(error: unknown, line: number): void {
    if (!this.#flags.isTerminal) throw atLine(error, line);
    const code = error instanceof TidelockError ? `${error.code}: ` : '';
    process.stderr.write(`error ${code}${messageOf(error)}\n`);
    if (error instanceof TidelockError && error.hint !== undefined) {
      process.stderr.write(`  what to do: ${error.hint}\n`);
    }
  }
}

function interrupted(): TidelockError {
  return new TidelockError({
    code: 'TIMEOUT',
    message: 'interrupted',
    hint: 'it goes on in the background; what was written here stays in the file until it is sent',
  });
}

function rolledBack(): TidelockError {
  return new TidelockError({
    code: 'BAD_REQUEST',
    message: 'the input ended inside a transaction: it was rolled back',
    hint: 'end it with COMMIT',
  });
}

/** Tables of the user's own: not SQLite's, not ours. */
const OWN = `name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND tbl_name NOT LIKE 'tidelock\\_%' ESCAPE '\\'
  AND tbl_name NOT LIKE 'tidelock.%'`;
const TABLES_SQL = `SELECT name FROM sqlite_schema WHERE type IN ('table', 'view') AND ${OWN}`;
const SCHEMA_SQL = `SELECT sql FROM sqlite_schema
  WHERE sql IS NOT NULL AND type IN ('table', 'index', 'view') AND ${OWN}`;

/** What SQLite says about a statement is the user's to mend; ours keeps its code. */
function atLine(error: unknown, line: number): TidelockError {
  const isOurs = error instanceof TidelockError;
  return new TidelockError({
    code: isOurs ? error.code : 'BAD_REQUEST',
    message: `line ${line}: ${messageOf(error)}`,
    hint: isOurs ? error.hint : undefined,
    cause: error,
  });
}
