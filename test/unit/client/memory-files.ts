/** The place of one replica, in memory. A download is the JSON that ModelServer serves. */

import type { ReplicaDownload, ReplicaFiles, ReplicaStore } from '../../../src/client/store.ts';
import { TidelockError } from '../../../src/core/errors.ts';
import { CITIES, lsn, MemoryStore } from './memory-store.ts';

export class MemoryFiles implements ReplicaFiles {
  store: MemoryStore | null;
  isLocked = false;
  /** Downloads that were neither adopted nor discarded. */
  leftOver = 0;

  constructor(store: MemoryStore | null = null) {
    this.store = store;
  }

  lock(): void {
    if (this.isLocked) throw new TidelockError({ code: 'REPLICA_IN_USE', message: 'it is in use' });
    this.isLocked = true;
  }

  open(): ReplicaStore | null {
    if (this.store !== null) this.store.isClosed = false;
    return this.store;
  }

  download(): ReplicaDownload {
    let text = '';
    const decoder = new TextDecoder();
    this.leftOver += 1;
    return {
      write: async (chunk) => {
        text += decoder.decode(chunk, { stream: true });
      },
      adopt: async ({ replica, server }) => {
        const file = parse(text);
        const { timeline, selectors } = file;
        this.store = new MemoryStore({
          ...{ replica, server, timeline, selectors, position: lsn(file.position) },
        });
        this.store.content.rows.set(CITIES.name, new Map(file.rows as never));
        return this.store;
      },
      discard: () => {
        this.leftOver -= 1;
      },
    };
  }

  spool(): null {
    return null;
  }

  close(): void {
    this.isLocked = false;
  }
}

type File = { timeline: string; position: number; selectors: string[]; rows: unknown[] };

function parse(text: string): File {
  try {
    return JSON.parse(text) as File;
  } catch (cause) {
    throw new TidelockError({ code: 'PROTOCOL', message: 'it is no replica', cause });
  }
}
