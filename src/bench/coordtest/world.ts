/** The world of coordinator scripts: its directives over one system of coordinator, worker and queue. */
import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import type { step } from '../../coordinator/sql/machine.ts';
import type { Rules } from '../../coordinator/sql/rules.ts';
import type { SqlEffect } from '../../coordinator/sql/types.ts';
import { ScriptError } from '../../script/errors.ts';
import type { Call } from '../../script/run.ts';
import { SqlError } from '../../sql/errors.ts';
import { loadPgParser } from '../../sql/pg-parser.ts';
import type { ItemId } from '../../sql/types.ts';
import type { OpenWorld, World, WorldContext } from '../script/world.ts';
import { printAnswers, printFailure } from './print.ts';
import { printCatalog } from './print-catalog.ts';
import { PROFILES, type Profile } from './profiles.ts';
import { runOnce, start, WAIT_STEPS_MAX, waitFor } from './sessions.ts';
import { type Answers, CoordtestSystem, type MakeWorker } from './system.ts';
import { sqlWorker } from './worker.ts';

/** What a test changes to see a script fail. */
export type Planted = {
  readonly rules?: (rules: Rules) => Partial<Rules>;
  readonly machine?: typeof step;
  readonly makeWorker?: MakeWorker;
};

export const openCoordinatorWorld: OpenWorld = (context) => openWith(context, {});

/** With a bug planted in the coordinator, or watched. */
export async function openWith(
  context: Pick<WorldContext, 'file' | 'profile'>,
  planted: Planted,
): Promise<CoordtestWorld> {
  await loadPgParser();
  const profile = profileOf(context);
  const { rules } = profile.options;
  const options = { ...profile.options, rules: { ...rules, ...planted.rules?.(rules) } };
  return new CoordtestWorld({ ...profile, options }, planted);
}

function profileOf({ file, profile }: Pick<WorldContext, 'file' | 'profile'>): Profile {
  const usual = file.endsWith('.ct') ? 'coordtest' : 'plain';
  const found = PROFILES[profile ?? usual];
  if (found !== undefined) return found;
  const remedy = `one of: ${Object.keys(PROFILES).join(', ')}`;
  const place = { file, line: 1, column: 1 };
  throw new ScriptError(place, `there is no profile ${profile}`, remedy);
}

type Directive = (call: Call) => string;

export class CoordtestWorld implements World {
  readonly system: CoordtestSystem;
  readonly #profile: Profile;
  readonly #folder: string;
  readonly #sessions = new Map<string, Answers>();
  #filter: readonly string[] = [];
  readonly #directives: Readonly<Record<string, Directive>>;

  constructor(profile: Profile, { machine, makeWorker }: Planted) {
    this.#profile = profile;
    this.#folder = mkdtempSync(join(tmpdir(), 'tidelock-coordtest-'));
    this.system = new CoordtestSystem(profile.options, makeWorker ?? sqlWorker, machine);
    this.#directives = {
      sql: (call) => this.#sql(call),
      'wait-sql': (call) => this.#waitSql(call),
      'async-sql': (call) => this.#asyncSql(call),
      'async-cancel': (call) => this.#asyncCancel(call),
      'await-sql': (call) => this.#awaitSql(call),
      'update-upper': (call) => this.#updateUpper(call),
      'inc-timestamp': ({ input, place }) => this.#addTime(wholeNumber(input.trim(), place)),
      'create-file': ({ args, input }) => this.#file(args.text('name'), input, writeFileSync),
      'append-file': ({ args, input }) => this.#file(args.text('name'), input, appendFileSync),
      'print-catalog': () => printCatalog(this.system.state),
      'set-upper-filter': ({ input }) => this.#setFilter(linesOf(input)),
      'stop-persist': () => this.#stopPersist(),
    };
  }

  folders = (): readonly string[] => [this.#folder];

  handle(call: Call): string {
    const directive = this.#directives[call.command];
    if (directive !== undefined) return directive(call);
    const known = Object.keys(this.#directives).join(', ');
    throw new ScriptError(call.place, `there is no directive ${call.command}`, `known: ${known}`);
  }

  close(): Promise<void> {
    this.system.dispose();
    rmSync(this.#folder, { recursive: true, force: true });
    return Promise.resolve();
  }

  #sql({ input, place }: Call): string {
    return this.#shown(() => {
      const held = this.#idsOf(this.#filter);
      const { effects, isDone } = runOnce(this.system, this.#expand(input), {
        waits: this.#profile.waits,
        held,
      });
      if (isDone) return effects;
      const what = 'the statement waits for something that does not come by itself';
      throw new ScriptError(place, what, 'deliver uppers by wait-sql, or use async-sql');
    });
  }

  /** The clock goes on by one after each failed try. A bound of tries instead of wall time. */
  #waitSql({ args, input, place }: Call): string {
    const names = args.list('exclude-uppers');
    const sql = this.#expand(input);
    let last = '';
    for (let attempt = 0; attempt < WAIT_STEPS_MAX; attempt++) {
      const held = this.#idsOf([...names, ...this.#filter]);
      this.system.deliverExcept(held);
      const { effects, isDone } = runOnce(this.system, sql, { waits: 'answers', held });
      if (isDone && isAllTrue(effects, place)) return '';
      last = isDone ? this.#lastSeen(effects) : 'no answer\n';
      this.system.addTime(1);
    }
    return `not true after ${WAIT_STEPS_MAX} tries, the last one gave:\n${last}`;
  }

  #asyncSql({ args, input, place }: Call): string {
    const { name, rest } = this.#sessionArgument({ args, input, place });
    if (this.#sessions.has(name)) {
      throw new ScriptError(place, `session ${name} is there already`, 'await-sql it first');
    }
    return this.#shown(() => {
      const session = this.system.open();
      this.#sessions.set(name, session);
      start(this.system, session, this.#expand(rest));
      return [];
    });
  }

  /** From a session of its own. `secret=wrong` says that it does not know the secret. */
  #asyncCancel({ args, input, place }: Call): string {
    const isWrong = args.optionalChoice('secret', ['right', 'wrong']) === 'wrong';
    const { connection, secret } = this.#named(
      this.#sessionArgument({ args, input, place }).name,
      place,
    );
    const other = this.system.open();
    this.system.do({ kind: 'cancel', connection, secret: isWrong ? secret + 1 : secret });
    this.system.close(other);
    return '';
  }

  #awaitSql({ args, input, place }: Call): string {
    const { name } = this.#sessionArgument({ args, input, place });
    const session = this.#named(name, place);
    const held = this.#idsOf(this.#filter);
    if (!waitFor(this.system, session, { waits: this.#profile.waits, held })) {
      throw new ScriptError(
        place,
        `session ${name} got no answer`,
        'what it waits for must come first',
      );
    }
    this.#sessions.delete(name);
    const { effects } = session;
    this.system.close(session);
    return this.#shown(() => effects);
  }

  #updateUpper({ input, place }: Call): string {
    for (const line of linesOf(input)) {
      const [name = '', number = ''] = line.split(/\s+/);
      const upper = wholeNumber(number, place);
      const [id] = this.#idsOf([name]);
      if (id === undefined)
        throw new ScriptError(place, `there is no item ${name}`, 'name it in full');
      if (upper <= 1)
        throw new ScriptError(place, `an upper of ${upper} says nothing`, 'take one above 1');
      const before = this.system.inject(id, upper);
      if (upper < before) {
        throw new ScriptError(
          place,
          `the upper of ${name} is ${before} already`,
          'uppers do not go back',
        );
      }
    }
    return '';
  }

  #addTime(ms: number): string {
    this.system.addTime(ms);
    return '';
  }

  #file(name: string, text: string, write: (path: string, text: string) => void): string {
    write(join(this.#folder, basename(name)), text);
    return '';
  }

  #setFilter(names: readonly string[]): string {
    this.#filter = names;
    return '';
  }

  #stopPersist(): string {
    this.system.do({ kind: 'refuseWrites', reason: 'runtime shutdown' });
    return '';
  }

  #shown(run: () => readonly SqlEffect[]): string {
    try {
      return printAnswers(run(), this.#profile);
    } catch (error) {
      if (!(error instanceof SqlError)) throw error;
      return printFailure(error, this.#profile);
    }
  }

  #lastSeen(effects: readonly SqlEffect[]): string {
    return printAnswers(effects, { ...this.#profile, showsErrors: true });
  }

  /** `session=NAME`, or the first line of the input. */
  #sessionArgument({ args, input, place }: Pick<Call, 'args' | 'input' | 'place'>): {
    readonly name: string;
    readonly rest: string;
  } {
    const name = args.optional('session');
    if (name !== undefined) return { name, rest: input };
    const [first = '', ...rest] = input.split('\n');
    if (first.trim() !== '') return { name: first.trim(), rest: rest.join('\n') };
    throw new ScriptError(place, 'no session is named', 'add session=NAME');
  }

  #named(name: string, place: Call['place']): Answers {
    const session = this.#sessions.get(name);
    if (session !== undefined) return session;
    throw new ScriptError(place, `there is no session ${name}`, 'async-sql opens it');
  }

  #expand(sql: string): string {
    return sql.replaceAll('<TEMP>', this.#folder);
  }

  /** Names of what is not there (yet) hold nothing back. */
  #idsOf(names: readonly string[]): ReadonlySet<ItemId> {
    const { databases } = this.system.state.catalog;
    const ids = names.map((full) => {
      const [database = '', schema = '', name = ''] = full.split('.');
      return databases.get(database)?.schemas.get(schema)?.get(name);
    });
    return new Set(ids.filter((id) => id !== undefined));
  }
}

/** Every column of every row; no rows at all are true. What gives no rows does not belong here. */
function isAllTrue(effects: readonly SqlEffect[], place: Call['place']): boolean {
  for (const effect of effects) {
    if (effect.kind === 'fail') return false;
    if (effect.kind !== 'respond') continue;
    const { response } = effect;
    if (response.kind === 'canceled') return false;
    if (response.kind !== 'rows') {
      throw new ScriptError(place, 'wait-sql runs queries only', 'use sql');
    }
    if (!response.rows.every((row) => row.every((value) => value === true))) return false;
  }
  return true;
}

function linesOf(input: string): readonly string[] {
  return input
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
}

function wholeNumber(text: string, place: Call['place']): number {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw new ScriptError(place, `${text} is no whole number`, 'write digits');
}
