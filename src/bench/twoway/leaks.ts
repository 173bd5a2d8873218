/**
 * Looks for what an identity must not have, byte by byte: canaries and keys of other users in everything that it was
 * given, and in every page of its files, free ones included.
 */
import { createReadStream, existsSync } from 'node:fs';
import { constants, createGunzip, createZstdDecompress } from 'node:zlib';
import type { AnswerHead, Capture } from '../proxy/http-message.ts';
import type { Leak } from './evidence.ts';
import { userOf } from './options.ts';

/** Longer than anything that is looked for, so that nothing hides between two chunks. */
const OVERLAP = 64;
const FOREIGN_MAX = 20;
const CONTEXT = 40;
const CANARY = /canary-u(\d+)-|db(\d+)_r\d+_\d|u(\d+)k_\d/g;

export class LeakSearch {
  readonly #user: number;
  #bytes = 0;
  #own = 0;
  readonly #foreign: string[] = [];

  constructor(user: number) {
    this.#user = user;
  }

  /** For a proxy: everything that its client is given. */
  readonly capture: Capture = (head) => {
    const write = this.#stream(`${head.method} ${head.path.split('?')[0]} ${head.status}`);
    return decoded(head, write);
  };

  async file(path: string): Promise<void> {
    for (const suffix of ['', '-wal', '-journal']) {
      if (!existsSync(`${path}${suffix}`)) continue;
      const write = this.#stream(`${path.split('/').at(-1)}${suffix}`);
      for await (const chunk of createReadStream(`${path}${suffix}`)) write(chunk as Buffer);
      write(null);
    }
  }

  result(identity: string): Leak {
    return { identity, bytes: this.#bytes, own: this.#own, foreign: this.#foreign };
  }

  #stream(where: string): (chunk: Uint8Array | null) => void {
    let tail = '';
    return (chunk) => {
      if (chunk === null) return;
      this.#bytes += chunk.length;
      const text =
        tail + Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length).toString('latin1');
      this.#search(text, tail.length, where);
      tail = text.slice(-OVERLAP);
    };
  }

  /** What ends inside the overlap was found before. */
  #search(text: string, seen: number, where: string): void {
    for (const match of text.matchAll(CANARY)) {
      if (match.index + match[0].length <= seen) continue;
      const [, canary, database, shared] = match;
      const user = database === undefined ? Number(canary ?? shared) : userOf(Number(database));
      if (user === this.#user) this.#own += 1;
      else if (this.#foreign.length < FOREIGN_MAX) {
        const context = text.slice(Math.max(0, match.index - CONTEXT), match.index + CONTEXT);
        this.#foreign.push(`${where}: ${JSON.stringify(context)}`);
      }
    }
  }
}

function decoded(
  { encoding }: AnswerHead,
  write: (chunk: Uint8Array | null) => void,
): (chunk: Uint8Array | null) => void {
  if (encoding === 'identity') return write;
  // What was cut off is decoded as far as it goes.
  const decoder =
    encoding === 'zstd'
      ? createZstdDecompress({ finishFlush: constants.ZSTD_e_flush })
      : createGunzip({ finishFlush: constants.Z_SYNC_FLUSH });
  decoder.on('data', (chunk: Buffer) => write(chunk));
  decoder.on('end', () => write(null));
  decoder.on('error', () => write(null));
  return (chunk) => void (chunk === null ? decoder.end() : decoder.write(chunk));
}
