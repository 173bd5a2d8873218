/** The worker of scripts: the real one, over collections in memory. */
import { SqlWorker } from '../../engine/sql/worker.ts';
import { CollectionStore } from '../../sqlite/collections/collection-store.ts';
import type { MakeWorker } from './system.ts';

export const sqlWorker: MakeWorker = (tell) => {
  const store = CollectionStore.open(':memory:');
  const worker = new SqlWorker({ store, tell });
  return {
    handle: (command) => worker.handle(command),
    tick: (now) => worker.tick(now),
    close: () => store.close(),
  };
};
