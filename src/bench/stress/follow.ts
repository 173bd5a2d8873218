/**
 * A receiver follows a server by one of several protocols. The stress knows only this port; the native
 * follower is the product's own replica.
 */
import { openReplicaWith } from '../../replica.ts';
import type { BugName } from './bugs/catalog.ts';
import { plantInFiles } from './bugs/store-bugs.ts';

/** A local transaction of the replica, or a copy that replaced its content. Told right after its commit. */
export type Applied = {
  readonly kind: 'snapshot' | 'difference' | 'apply';
  readonly changes: number;
  /** Since the last transaction's commit in Postgres, when the protocol tells. */
  readonly delayMs?: number | null;
};

export type FollowOptions = {
  readonly server: string;
  readonly selectors: readonly string[];
  readonly file: string;
  readonly bug: BugName | null;
  readonly onApplied: (applied: Applied) => void;
  /** Connection and phase changes, in words. The first one after the file appeared comes before any apply. */
  readonly onState: (state: string, note?: string) => void;
};

export type Following = {
  /** Resolves when everything up to the position is in the file. Throws `TIMEOUT`. */
  waitFor(position: string, timeoutMs: number): Promise<void>;
  close(): Promise<void>;
};

export type Follow = {
  /** A query on the file that returns one row with `position`. */
  readonly positionSql: string;
  /** True when the file has `tidelock_digests`. */
  readonly hasDigests: boolean;
  /** Resolves as soon as the file can be read. */
  open(options: FollowOptions): Promise<Following>;
};

const HEARTBEAT_S = 1;

export const NATIVE: Follow = {
  positionSql: 'SELECT position FROM tidelock_replica',
  hasDigests: true,
  open: async ({ server, selectors, file, bug, onApplied, onState }) => {
    const replica = await openReplicaWith(
      {
        ...{ server, selectors, file },
        onEvent: (event) => {
          if (event.kind === 'applied') {
            const { changes, appliedAtMs, micros } = event;
            onApplied({ kind: 'apply', changes, delayMs: appliedAtMs - micros / 1000 });
          }
          if (event.kind === 'resync') {
            const { inserted, updated, deleted } = event;
            onApplied({ kind: 'difference', changes: inserted + updated + deleted });
            onState('resynchronised', event.reason);
          }
          if (event.kind === 'state') onState(event.state.kind);
          if (event.kind === 'mismatch') onState('mismatch', JSON.stringify(event.differences));
          if (event.kind === 'error')
            onState('error', `${event.error.code} ${event.error.message}`);
        },
      },
      {
        heartbeatS: HEARTBEAT_S,
        ...(bug === null ? {} : { wrapFiles: (files) => plantInFiles(bug, files, file) }),
      },
    );
    return {
      waitFor: async (position, timeoutMs) => void (await replica.waitFor(position, { timeoutMs })),
      close: () => replica.close(),
    };
  },
};
