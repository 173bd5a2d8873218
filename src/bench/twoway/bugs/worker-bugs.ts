/** Bugs of a database: storage between the replica and its file. */
import type { LocalWrites, ReplicaFiles, ReplicaStore } from '../../../client/store.ts';
import type { ReplicaHooks } from '../../../replica.ts';
import { standIn } from '../../stress/bugs/stand-in.ts';
import { plantInFiles } from '../../stress/bugs/store-bugs.ts';
import type { TwowayBugName } from './catalog.ts';

/** No hooks when the bug is another one. */
export function plantInWorker(bug: TwowayBugName | null, file: string): ReplicaHooks {
  if (bug === 'base-position-before-rows') {
    return { wrapFiles: (files) => plantInFiles('position-before-rows', files, file) };
  }
  // The other one is about the exit code: something must have failed.
  const isDeaf = bug === 'rejection-ignored' || bug === 'two-way-exits-0';
  return isDeaf ? { wrapFiles: ignoringRejections } : {};
}

function ignoringRejections(files: ReplicaFiles): ReplicaFiles {
  const wrap = (store: ReplicaStore): ReplicaStore =>
    store.local === null ? store : standIn(store, { local: deaf(store.local) });
  return standIn(files, {
    open: () => {
      const store = files.open();
      return store === null ? null : wrap(store);
    },
    download: () => {
      const download = files.download();
      return standIn(download, { adopt: async (info) => wrap(await download.adopt(info)) });
    },
  });
}

function deaf(local: LocalWrites): LocalWrites {
  return standIn(local, { settle: (answer) => local.settle({ ...answer, rejected: [] }) });
}
