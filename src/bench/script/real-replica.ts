/** One replica of a script: its file, its process in all its lives, and the link to the server. */
import { rmSync } from 'node:fs';
import { CRASH_POINTS, UPLOAD_CRASH_POINTS } from '../../client/crash-points.ts';
import { messageOf } from '../../core/errors.ts';
import type { Arguments } from '../../script/arguments.ts';
import { openSql, type Sql, sqlFailureOf } from '../../sqlite/sql.ts';
import { Child } from './child.ts';
import type { Link } from './link.ts';
import { tableText } from './print-table.ts';
import type { ReplicaCommand, ReplicaNews, ReplicaSettings } from './replica-program.ts';
import type { Trap } from './trap.ts';

const isSource = import.meta.url.endsWith('.ts');
const PROGRAM = new URL(
  isSource ? './replica-program.ts' : './replica-program.js',
  import.meta.url,
);
const POINTS = [...CRASH_POINTS, ...UPLOAD_CRASH_POINTS];
const BUSY_WAIT_MS = 5000;

export class RealReplica {
  readonly file: string;
  readonly link: Link;
  readonly #signal: AbortSignal;
  #settings: ReplicaSettings;
  #child: Child<ReplicaNews> | null = null;
  /** Events up to here were shown. */
  #shown = 0;

  constructor(options: {
    readonly link: Link;
    readonly settings: ReplicaSettings;
    readonly signal: AbortSignal;
  }) {
    this.link = options.link;
    this.file = options.settings.file;
    this.#settings = options.settings;
    this.#signal = options.signal;
  }

  get selectors(): readonly string[] {
    return this.#settings.selectors;
  }

  /** Starts a process, unless one lives. Returns its refusal as text, or nothing. */
  async open(settings: Partial<ReplicaSettings>, isAwaited: boolean): Promise<string> {
    this.#settings = { ...this.#settings, ...settings };
    this.#child = new Child<ReplicaNews>({
      ...{ program: PROGRAM, settings: this.#settings, signal: this.#signal },
    });
    this.#shown = 0;
    return isAwaited ? this.ready() : '';
  }

  /** Until it has its first copy. */
  async ready(): Promise<string> {
    return this.#answer('ready', 0);
  }

  get isAlive(): boolean {
    return this.#child?.isAlive === true;
  }

  async kill(): Promise<void> {
    await this.#child?.kill();
  }

  /** In order. */
  async stop(args: Arguments): Promise<void> {
    const child = this.#living(args);
    child.tell({ kind: 'stop' } satisfies ReplicaCommand);
    await child.ended();
  }

  freeze(args: Arguments): void {
    this.#living(args).freeze();
  }

  thaw(args: Arguments): void {
    this.#living(args).thaw();
  }

  /** The file goes, with all that belongs to it. */
  remove(): void {
    for (const ending of ['', '-wal', '-shm']) rmSync(`${this.file}${ending}`, { force: true });
  }

  /** Crashes at its `hit`-th passing of the point. */
  async trap(args: Arguments): Promise<void> {
    const point = args.choice('at', POINTS);
    const hit = args.optionalInteger('hit') ?? 1;
    // It is set at once, but answered only when the replica has opened.
    this.#living(args).tell({ kind: 'trap', trap: { point, hit } } satisfies ReplicaCommand);
  }

  async crashed(): Promise<string> {
    await this.#child?.ended();
    return `${this.#child?.end ?? 'it never ran'}\n`;
  }

  /** Its wall clock is wrong by so much, now and in later lives. */
  async skew(ms: number): Promise<void> {
    this.#settings = { ...this.#settings, skewMs: ms };
    const child = this.#child;
    if (child?.isAlive !== true) return;
    const from = child.news.length;
    child.tell({ kind: 'skew', ms } satisfies ReplicaCommand);
    await this.#answer('done', from);
  }

  async reach(position: string, args: Arguments): Promise<string> {
    return this.#perform({ kind: 'waitFor', position }, args);
  }

  async written(args: Arguments): Promise<string> {
    return this.#perform({ kind: 'waitForWrites' }, args);
  }

  /** The first event that begins so and was not shown; waits for it. */
  async event(start: string, args: Arguments): Promise<string> {
    const child = this.#living(args);
    const find = (): string | undefined =>
      this.#events()
        .slice(this.#shown)
        .find((text) => text.startsWith(start));
    await child.until(`the replica tells ${start}`, () => find() !== undefined);
    // One cause may have several events: all of them are shown, or a script would see as many as have arrived.
    const hasDied = (): undefined => undefined;
    await this.#perform({ kind: 'finishTurn' }, args).catch(hasDied);
    return this.events();
  }

  /** What was told since it was asked last. */
  events(): string {
    const events = this.#events();
    const fresh = events.slice(this.#shown);
    this.#shown = events.length;
    return fresh.length === 0 ? '(nothing)\n' : fresh.map((text) => `${text}\n`).join('');
  }

  #events(): readonly string[] {
    return (this.#child?.news ?? []).flatMap((news) => (news.kind === 'event' ? [news.text] : []));
  }

  /** Runs SQL on the file, as any program may. Rows of the last statement. */
  sql(text: string): string {
    const sql = openSql(this.file, { timeoutMs: BUSY_WAIT_MS });
    try {
      return statements(text)
        .map((statement) => run(sql, statement))
        .join('');
    } catch (error) {
      if (sqlFailureOf(error) === undefined) throw error;
      return `error: SQLITE ${messageOf(error)}\n`;
    } finally {
      sql.close();
    }
  }

  async close(): Promise<void> {
    this.#child?.thaw();
    await this.#child?.kill();
    await this.link.close();
  }

  async #perform(command: ReplicaCommand, args: Arguments): Promise<string> {
    const child = this.#living(args);
    const from = child.news.length;
    child.tell(command);
    return this.#answer('done', from);
  }

  async #answer(kind: 'done' | 'ready', from: number): Promise<string> {
    const child = this.#child;
    if (child === null) return '';
    const find = (): ReplicaNews | undefined =>
      child.news.slice(from).find((news) => news.kind === kind || news.kind === 'failed');
    await child.until(`the replica says ${kind}`, () => find() !== undefined);
    const news = find();
    return news?.kind === 'failed' ? `error: ${news.code} ${news.message}\n` : '';
  }

  #living(args: Arguments): Child<ReplicaNews> {
    if (this.#child?.isAlive === true) return this.#child;
    throw args.error(
      'on',
      'the replica does not run',
      'open it: replica open name=... selectors=(...)',
    );
  }
}

/** `replica open ... crash=POINT`: what happens before it can be told. */
export function trapAtOpen(args: Arguments): Trap | null {
  const point = args.optionalChoice('crash', POINTS);
  return point === undefined ? null : { point, hit: args.optionalInteger('hit') ?? 1 };
}

/** Split at the ends of lines that end with a semicolon: enough for scripts. */
function statements(text: string): readonly string[] {
  return text.split(/;[ \t]*\n/).filter((statement) => statement.trim() !== '');
}

function run(sql: Sql, text: string): string {
  const statement = sql.prepare(text);
  statement.setReadBigInts(true);
  const columns = statement.columns().map(({ name }) => name ?? '');
  if (columns.length === 0) return `${statement.run().changes} changed\n`;
  statement.setReturnArrays(true);
  const rows = statement.all() as unknown as unknown[][];
  return tableText({ columns, rows: rows.map((row) => row.map(cellOf)) });
}

function cellOf(value: unknown): string | null {
  if (value === null) return null;
  if (Object.is(value, -0)) return '-0';
  return value instanceof Uint8Array ? `x'${Buffer.from(value).toString('hex')}'` : String(value);
}
