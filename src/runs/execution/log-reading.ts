/** Logs against their rules, in pieces: a log of any size takes the same memory, and others work in between. */
import { createReadStream } from 'node:fs';
import { StringDecoder } from 'node:string_decoder';
import { LogJudge, type LogJudgement } from '../../area/judge-log.ts';
import { LOG_LINE_CHARS_MAX } from '../../area/limits.ts';
import type { LogRules } from '../../area/types.ts';

const PIECE_BYTES = 256 * 1024;

/** A log that is not there has no lines. */
export async function judgeFile(path: string, rules: LogRules): Promise<LogJudgement> {
  const judge = new LogJudge(rules);
  const lines = new LineCutter((line) => judge.push(line));
  try {
    for await (const piece of createReadStream(path, { highWaterMark: PIECE_BYTES })) {
      lines.push(piece as Buffer);
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  lines.end();
  return judge.finish();
}

/** What is longer than the judge looks at is not kept. */
class LineCutter {
  readonly #decoder = new StringDecoder('utf8');
  readonly #onLine: (line: string) => void;
  #rest = '';

  constructor(onLine: (line: string) => void) {
    this.#onLine = onLine;
  }

  push(piece: Buffer): void {
    const lines = (this.#rest + this.#decoder.write(piece)).split('\n');
    this.#rest = (lines.pop() ?? '').slice(0, LOG_LINE_CHARS_MAX + 1);
    for (const line of lines) this.#onLine(line.endsWith('\r') ? line.slice(0, -1) : line);
  }

  end(): void {
    if (this.#rest !== '') this.#onLine(this.#rest);
  }
}
