/** What main and a receiver's process tell each other, over the channel between parent and child. */
import type { BugName } from './bugs/catalog.ts';
import type { ApplyEvent, EvidenceTable, ReadEvent, StateEvent } from './evidence.ts';

export type Protocol = 'native' | 'transicator';

export type ReceiverSettings = {
  readonly replica: string;
  /** Counts the processes of this replica, from 1. */
  readonly life: number;
  readonly protocol: Protocol;
  readonly server: string;
  readonly selectors: readonly string[];
  readonly file: string;
  /** When the run began, milliseconds since 1970. */
  readonly startedAtMs: number;
  readonly tables: readonly EvidenceTable[];
  readonly bug: BugName | null;
};

export type ReceiverNews =
  | {
      readonly kind: 'apply';
      readonly event: ApplyEvent;
      /** Since the commit in Postgres, when the protocol tells. */
      readonly delayMs: number | null;
    }
  | { readonly kind: 'read'; readonly event: ReadEvent }
  | { readonly kind: 'state'; readonly event: StateEvent }
  /** Ends that were not told of before in this life: id and group. */
  | { readonly kind: 'ends'; readonly ends: readonly (readonly [number, number])[] }
  /** The file can be read; `isNew`: it was copied whole. */
  | { readonly kind: 'ready'; readonly position: string; readonly isNew: boolean }
  | { readonly kind: 'reached'; readonly position: string }
  | { readonly kind: 'finished' };

export type ReceiverOrder =
  /** Tell when the replica is at the position or past it. */
  | { readonly kind: 'reach'; readonly position: string }
  /** Throw the whole database away and begin again. */
  | { readonly kind: 'forget' }
  /** A last look, then the end. */
  | { readonly kind: 'finish' };
