/**
 * The first copy. The file appears under its name only when it is complete, so an interrupted copy leaves
 * nothing half done; it starts again from the beginning.
 */
import { TidelockError } from '../core/errors.ts';
import { formatLsn } from '../core/lsn.ts';
import type { CrashHook } from './crash-points.ts';
import type { ServerApi } from './server-api.ts';
import type { ReplicaFiles, ReplicaStore } from './store.ts';

export type BootstrapOptions = {
  readonly api: ServerApi;
  readonly files: ReplicaFiles;
  readonly server: string;
  readonly replica: string;
  readonly selectors: readonly string[];
  readonly signal: AbortSignal;
  readonly onProgress: (receivedBytes: number, totalBytes: number | null) => void;
  /** Called at every sign of life of the server. */
  readonly onChunk: () => void;
  readonly crashPoint: CrashHook;
};

export async function bootstrap(options: BootstrapOptions): Promise<ReplicaStore> {
  const { api, files, selectors, replica, server, signal, crashPoint } = options;
  const snapshot = await api.snapshotFile({ selectors, replica, signal });
  const download = files.download();
  try {
    let receivedBytes = 0;
    options.onProgress(0, snapshot.totalBytes);
    for await (const chunk of snapshot.body) {
      options.onChunk();
      await download.write(chunk);
      if (receivedBytes === 0) crashPoint('bootstrap: half downloaded');
      receivedBytes += chunk.byteLength;
      options.onProgress(receivedBytes, snapshot.totalBytes);
    }
    if (snapshot.totalBytes !== null && receivedBytes !== snapshot.totalBytes) {
      throw brokenOff(receivedBytes, snapshot.totalBytes);
    }
    signal.throwIfAborted();
    crashPoint('bootstrap: before adopt');
    const store = await download.adopt({ replica, server });
    crashPoint('bootstrap: after adopt');
    assertIsAnnounced(store, snapshot);
    return store;
  } finally {
    download.discard();
  }
}

function assertIsAnnounced(
  store: ReplicaStore,
  snapshot: { readonly timeline: string; readonly position: number },
): void {
  const { timeline, position } = store.identity;
  if (timeline === snapshot.timeline && position === snapshot.position) return;
  store.close();
  throw new TidelockError({
    code: 'REPLICA_UNFIT',
    message: `the snapshot file stands at ${formatLsn(position)}, its headers say something else`,
  });
}

function brokenOff(receivedBytes: number, totalBytes: number): TidelockError {
  return new TidelockError({
    code: 'SERVER_UNREACHABLE',
    message: `the snapshot broke off after ${receivedBytes} of ${totalBytes} bytes`,
    hint: 'the copy starts again',
  });
}
