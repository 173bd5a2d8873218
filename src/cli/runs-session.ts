/** An area with its run database, opened for one command. */
import type { Environment } from '../area/types.ts';
import { TidelockError } from '../core/errors.ts';
import { type AreaBook, openAreaBook } from '../runs/area-book.ts';
import { type Home, openHome } from '../runs/home.ts';
import { newRunner } from '../runs/new-runner.ts';
import type { Runner } from '../runs/runner.ts';
import { shortPath } from './options.ts';
import { type HomeFlags, homeOptionsOf } from './runs-home.ts';

export const JSON_OPTION = ['--json', 'print JSON'] as const;

/** Executions of one runner at once; the area's own limit holds for each run. */
export const SLOTS = 64;

export type Session = {
  readonly book: AreaBook;
  readonly home: Home;
  readonly store: Home['store'];
  readonly close: () => Promise<void>;
};

export async function openSession(flags: HomeFlags): Promise<Session> {
  const options = homeOptionsOf(flags);
  const book = await openAreaBook(options.area, processEnvironment());
  const home = await openHome(options);
  return { book, home, store: home.store, close: home.close };
}

export function processEnvironment(): Environment {
  return Object.fromEntries(
    Object.entries(process.env).flatMap(([key, value]) =>
      value === undefined ? [] : [[key, value] as const],
    ),
  );
}

/** What goes wrong inside is told, and the runner goes on. */
export function runnerOf({ book, home }: Session, slots = SLOTS): Runner {
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
