/**
 * The history of one database over all lives of its process: what it was about to write, what it wrote, what it saw. One
 * file of JSON lines; a line is with the operating system before anything goes on, so a kill loses none.
 */
import { closeSync, existsSync, openSync, readFileSync, writeSync } from 'node:fs';
import type { Range, Segment } from './rows.ts';
import type { StepName } from './steps.ts';

/** Which columns a write sets. */
export type Column = 'text' | 'number';

export type HistoryLine =
  | { readonly k: 'life'; readonly t: number; readonly life: number }
  /** What changed since the read before. */
  | {
      readonly k: 'read';
      readonly t: number;
      readonly changed: Readonly<Record<string, readonly Segment[]>>;
    }
  /** About to be committed; what it is based on is the read before it. */
  | {
      readonly k: 'write';
      readonly t: number;
      readonly step: number;
      /** Unique in the run. */
      readonly write: number;
      readonly operation: Exclude<StepName, 'send' | 'check'>;
      readonly parts: readonly Part[];
    }
  /** `isDone` of the last write: committed, or known not to be. */
  | { readonly k: 'outcome'; readonly t: number; readonly write: number; readonly isDone: boolean }
  /** Postgres refused it. */
  | { readonly k: 'rejected'; readonly t: number; readonly write: number; readonly code: string }
  /** The worker can write and read while its server is away. */
  | { readonly k: 'offline'; readonly t: number; readonly ms: number };

export type Part = {
  readonly kind: 'insert' | 'update' | 'delete';
  /** Of an update. */
  readonly columns: readonly Column[];
  readonly rows: Readonly<Record<string, readonly Range[]>>;
};

export class HistoryWriter {
  readonly #file: number;

  constructor(path: string) {
    this.#file = openSync(path, 'a');
  }

  write(line: HistoryLine): void {
    writeSync(this.#file, `${JSON.stringify(line)}\n`);
  }

  close(): void {
    closeSync(this.#file);
  }
}

/** All whole lines; a torn one, at a kill, is no line. */
export function readHistory(path: string): readonly HistoryLine[] {
  if (!existsSync(path)) return [];
  const text = readFileSync(path, 'utf8');
  return text
    .slice(0, text.lastIndexOf('\n') + 1)
    .split('\n')
    .filter((line) => line !== '')
    .flatMap((line) => {
      try {
        return [JSON.parse(line) as HistoryLine];
      } catch {
        return []; // torn by a kill, and a later life went on behind it
      }
    });
}
