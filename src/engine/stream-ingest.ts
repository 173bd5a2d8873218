/** How a stream of the source comes into the log: the same for a real and a simulated source. */
import type { Lsn, Ts } from '../core/lsn.ts';
import type { TableDef } from '../core/table.ts';
import type { TableDescription } from '../postgres/table-fitness.ts';
import type { EngineCore } from './core.ts';
import { Ingest, type IngestLimits } from './ingest.ts';
import { type Catalog, ReplicatedTables } from './replicated-tables.ts';
import { toHeld, toUnfit } from './source-words.ts';

export type StreamOptions = {
  readonly catalog: Catalog;
  /** As the catalog had them at the connect. */
  readonly described: readonly TableDescription[];
  readonly hasTriggers: boolean;
  readonly keepsOldRows?: boolean | undefined;
  readonly onNotice?: ((notice: string) => void) | undefined;
  /** Transactions at or before this are in the log already. */
  readonly after: Ts;
  readonly nextTxid: number;
  readonly limits: IngestLimits;
  readonly onRedelivered: () => void;
};

export type StreamIngest = { readonly tables: ReplicatedTables; readonly ingest: Ingest };

export function openIngest(core: EngineCore, options: StreamOptions): StreamIngest {
  const { catalog, described, hasTriggers, keepsOldRows, onNotice, ...rest } = options;
  const { store } = core.tail;
  const tables = new ReplicatedTables({
    ...{ catalog, hasTriggers, keepsOldRows, onNotice },
    known: store.tables,
    unfit: described.flatMap(toUnfit),
    held: new Map(described.flatMap(toHeld)),
  });
  const ingest = new Ingest({
    ...rest,
    tables,
    stage: (xid, part) => {
      core.crashPoint('beforeStage');
      const ref = store.stage(xid, part);
      core.crashPoint('afterStage');
      return ref;
    },
    crashPoint: core.crashPoint,
    onRead: (tasks, upTo) => core.received(tasks, upTo),
  });
  return { tables, ingest };
}

/**
 * The tables of a history that begins: those that were `published` before its slot was made, as they were described
 * after it was. A description of before it may miss a change that no stream will tell.
 */
export function tablesOf(
  published: readonly TableDescription[],
  described: readonly TableDescription[],
): readonly TableDef[] {
  const names = new Set(published.filter(({ kind }) => kind === 'table').map(({ name }) => name));
  return described.flatMap((one) =>
    one.kind === 'table' && names.has(one.name) ? [one.table] : [],
  );
}

/** Tells the slot what it may forget. */
export function confirmTo(
  core: EngineCore,
  stream: { readonly confirm: (lsn: Lsn) => void } | null,
  lsn: Lsn,
): void {
  core.crashPoint('beforeConfirm');
  stream?.confirm(lsn);
  core.crashPoint('afterConfirm');
}

/** The WAL's timeline has changed, and the history goes on. */
export function noteWalTimeline(core: EngineCore, walTimeline: number): void {
  const { store } = core.tail;
  if (store.identity !== null) store.noteIdentity({ ...store.identity, walTimeline });
}
