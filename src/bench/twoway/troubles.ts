/** What went wrong: of which kind, on which side, and whether a fault of the run explains it. */
import { closeSync, existsSync, openSync, readSync, statSync } from 'node:fs';
import type { Category, Side, TroubleEvent } from './evidence.ts';

/** A fault explains what goes wrong until so long after its end: waits grow, then connections are made anew. */
const AFTERMATH_MS = 30_000;
const LOG_BYTES_MAX = 256 * 1024 * 1024;
const MESSAGE_CHARS_MAX = 500;

export type Spell = {
  /** 0: everybody. */
  readonly database: number;
  readonly fromMs: number;
  /** Infinite while it lasts. */
  toMs: number;
};

/** When what went wrong may be the work of a fault. */
export class Spells {
  readonly #spells: Spell[] = [];

  begin(database: number, fromMs: number): Spell {
    const spell = { database, fromMs, toMs: Number.POSITIVE_INFINITY };
    this.#spells.push(spell);
    return spell;
  }

  covers(database: number, t: number): boolean {
    return this.#spells.some(
      (spell) =>
        (spell.database === 0 || database === 0 || spell.database === database) &&
        t >= spell.fromMs &&
        t <= spell.toMs + AFTERMATH_MS,
    );
  }
}

const CATEGORY: readonly (readonly [RegExp, Category])[] = [
  [/lock|SQLITE busy|REPLICA_IN_USE|40P01|40001|deadlock/i, 'lock'],
  [/TOKEN_|\b401\b|\b403\b/, 'auth'],
  [/SERVER_UNREACHABLE|ECONN|EPIPE|TIMEOUT|socket/i, 'network'],
  [/MISMATCH/, 'digest'],
  [/CRASH/, 'crash'],
  [/PROTOCOL|BAD_REQUEST|UPLOAD_GAP|SITE_/, 'protocol'],
  [/INTERNAL|BUSY|NOT_READY|SOURCE_DOWN|\b5\d\d\b/, 'http-5xx'],
];
/** A fault may cause these, and nothing else. */
const EXPLICABLE: readonly Category[] = ['network', 'protocol', 'http-5xx'];

function categoryOf(code: string, message: string): Category {
  return (
    CATEGORY.find(([pattern]) => pattern.test(code) || pattern.test(message.slice(0, 200)))?.[1] ??
    'other'
  );
}

/** `TIMEOUT` and what says that the server answered something: where it came from. */
function sideOf(category: Category, code: string): Side {
  return category === 'http-5xx' || code === 'SERVER' ? 'server' : 'client';
}

export function troubleOf(
  what: {
    readonly t: number;
    readonly database: number;
    readonly iteration: number;
    readonly code: string;
    readonly message: string;
  },
  spells: Spells,
): TroubleEvent {
  const category = categoryOf(what.code, what.message);
  return {
    ...what,
    message: what.message.slice(0, MESSAGE_CHARS_MAX),
    ...{ category, side: sideOf(category, what.code) },
    isExpected: EXPLICABLE.includes(category) && spells.covers(what.database, what.t),
  };
}

type LogLine = {
  readonly level?: number | string;
  readonly msg?: string;
  readonly time?: number | string;
};
const ERROR_LEVEL = 50;

/** Lines of the server's log that are errors. */
export function serverErrors(
  path: string,
  startedAtMs: number,
): readonly { readonly t: number; readonly message: string }[] {
  if (!existsSync(path)) return [];
  return tailOf(path)
    .split('\n')
    .flatMap((line) => {
      if (!line.startsWith('{')) return [];
      const { level, msg, time } = parsed(line);
      const isError = level === 'error' || level === 'fatal' || Number(level) >= ERROR_LEVEL;
      if (!isError) return [];
      return [{ t: new Date(time ?? 0).getTime() - startedAtMs, message: msg ?? line }];
    });
}

function parsed(line: string): LogLine {
  try {
    return JSON.parse(line) as LogLine;
  } catch {
    return {}; // cut by a kill
  }
}

function tailOf(path: string): string {
  const { size } = statSync(path);
  const length = Math.min(size, LOG_BYTES_MAX);
  const bytes = Buffer.alloc(length);
  const file = openSync(path, 'r');
  readSync(file, bytes, 0, length, size - length);
  closeSync(file);
  return bytes.toString();
}
