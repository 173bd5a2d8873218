/** An area with its run database, opened for one command. */
import type { Environment } from '../../area/types.ts';
import { TidelockError } from '../../core/errors.ts';
import type { RunStore } from '../../planner/run-store.ts';
import { type AreaBook, openAreaBook } from '../../runs/area-book.ts';
import { findHome, type Home, openHome } from '../../runs/database/home.ts';
import { isServing, newRunner } from '../../runs/new-runner.ts';
import type { Runner } from '../../runs/runner.ts';
import { shortPath } from '../options.ts';
import { type AwayRuns, openAway } from './away.ts';
import { type HomeFlags, homeOptionsOf } from './home.ts';

export const JSON_OPTION = ['--json', 'print JSON'] as const;

/** Executions of one runner at once; the area's own limit holds for each run. */
export const SLOTS = 64;

export type Session = {
  readonly book: AreaBook;
  readonly host: string;
  /** What is there: the database on the area's home host, a replica of it elsewhere. */
  readonly store: Pick<RunStore, 'read' | 'seq'>;
  /** Null: this host is not the area's home. */
  readonly home: Home | null;
  /** Null: this host is the area's home. */
  readonly away: AwayRuns | null;
  readonly close: () => Promise<void>;
};

/** For whoever changes something: off the home host its server must answer. */
export function openSession(flags: HomeFlags): Promise<Session> {
  return open(flags, 'act');
}

/** For whoever only looks: off the home host a replica will do, and its age is told when no server answers. */
export function openLook(flags: HomeFlags): Promise<Session> {
  return open(flags, 'look');
}

async function open(flags: HomeFlags, purpose: 'act' | 'look'): Promise<Session> {
  const options = homeOptionsOf(flags);
  const found = findHome(options);
  const { host } = found.identity;
  const book = await openAreaBook(options.area, processEnvironment());
  if (found.home !== host) {
    const away = await openAway({ found, token: flags.token, purpose });
    return { book, host, store: away.runs, home: null, away, close: away.close };
  }
  const onLost = ({ message, hint }: TidelockError): void =>
    console.error(`trouble: nothing more of this becomes durable: ${message}; ${hint}`);
  const home = await openHome({ ...options, onLost });
  return { book, host, store: home.store, home, away: null, close: home.close };
}

/** Whether somebody else performs what is queued: a runner that serves, or off the home host always. */
export function isServed({ home }: Session): boolean {
  return home === null || isServing(home.store);
}

export function processEnvironment(): Environment {
  return Object.fromEntries(
    Object.entries(process.env).flatMap(([key, value]) =>
      value === undefined ? [] : [[key, value] as const],
    ),
  );
}

/** One of our own, on the home host. What goes wrong inside is told, and the runner goes on. */
export function runnerOf({ book, home }: Session, slots = SLOTS): Runner {
  if (home === null) throw new RangeError('off the home host the server runs what is queued');
  return newRunner({
    ...{ store: home.store, book, identity: home.identity, slots, isServing: false },
    now: Date.now,
    onTrouble: (error) => console.error(`trouble: ${textOf(error)}`),
  });
}

function textOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

export function warnOf({ book }: Session): void {
  for (const { message, origin } of book.findings) {
    console.error(`warning: ${shortPath(origin.file)}:${origin.line}: ${message}`);
  }
}

/** The target of a run: as named, or the only one that runconfigs.config has. */
export async function targetOf({ book }: Session, target: string | undefined): Promise<string> {
  if (target !== undefined) return target;
  const known = await book.targets();
  const [only] = known;
  if (only !== undefined && known.length === 1) return only;
  throw new TidelockError({
    code: 'BAD_REQUEST',
    message: 'which target? name one with --target',
    hint:
      known.length === 0
        ? `a target is ${book.area.fields.join('/')}: --target ${book.area.fields.map(() => 'x').join('/')}`
        : `runconfigs.config has: ${known.join(', ')}`,
  });
}

/** `FAIL,ABORT` */
export const wordsOf = (text: string | undefined): readonly string[] =>
  (text ?? '').split(',').flatMap((word) => (word.trim() === '' ? [] : [word.trim()]));

/** `--set-var NAME=VALUE`, any number of times. */
export function setVarsOf(texts: readonly string[] = []): Environment {
  return Object.fromEntries(
    texts.map((text) => {
      const at = text.indexOf('=');
      if (at > 0) return [text.slice(0, at), text.slice(at + 1)] as const;
      throw new TidelockError({ code: 'BAD_REQUEST', message: `${text} is not NAME=VALUE` });
    }),
  );
}
