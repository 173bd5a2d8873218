/** Small groups for tests of log stores. */
import { type Lsn, toLsn } from '../../../src/core/lsn.ts';
import type { TableDef } from '../../../src/core/table.ts';
import type { GroupHead, NewGroup, StoredGroup } from '../../../src/log/group.ts';
import { SEGMENT_COMMIT } from '../../../src/log/group.ts';
import type {
  LogIdentity,
  SealedPart,
  StagedPart,
  StagedRef,
  StoredLease,
} from '../../../src/log/port.ts';

export const lsn = (value: number): Lsn => toLsn(value);

export function anIdentity(changes: Partial<LogIdentity> = {}): LogIdentity {
  return { systemId: '7301', walTimeline: 1, generation: 1, startTs: lsn(100), ...changes };
}

export function aLease(replica: string, ts: number, heardAtMs = 500): StoredLease {
  return { replica, ts: lsn(ts), heardAtMs };
}

export function aTable(): TableDef {
  return {
    name: 'public.cities',
    columns: [{ name: 'id', type: 'integer', kind: 'int' }],
    key: ['id'],
    indexes: [],
    selector: { kind: 'everyone' },
  };
}

type GroupChanges = {
  readonly body?: string;
  readonly selectors?: readonly string[];
  readonly segments?: readonly number[];
  readonly transactions?: readonly number[];
  readonly hasAll?: boolean;
  readonly part?: GroupHead['part'];
  readonly txid?: number;
};

/** A group of one transaction that committed at `ts`. */
export function newGroup(ts: number, changes: GroupChanges = {}): NewGroup {
  const body = Buffer.from(changes.body ?? `row of ${ts}\ncommit ${ts}\n`);
  const txid = changes.txid ?? ts * 2;
  const segments = changes.segments ?? [0, 3, SEGMENT_COMMIT, body.length];
  return {
    head: {
      firstTs: lsn(ts),
      lastTs: lsn(ts),
      part: changes.part ?? 'whole',
      txCount: 1,
      minTxid: txid,
      maxTxid: txid,
      selectors: changes.selectors ?? ['FR'],
      hasAll: changes.hasAll ?? false,
      sizeBytes: body.length,
    },
    content: {
      segments: Uint32Array.from(segments),
      transactions: Float64Array.from(changes.transactions ?? [ts, txid, 1_700_000_000_000_000]),
      body,
    },
  };
}

type StagedChanges = {
  readonly segments?: readonly number[];
  readonly subxids?: readonly number[];
  readonly selectors?: readonly string[];
};

export function stagedPart(body: string, changes: StagedChanges = {}): StagedPart {
  return {
    body: Buffer.from(body),
    segments: Uint32Array.from(changes.segments ?? [0, body.length]),
    subxids: Uint32Array.from(changes.subxids ?? [7]),
    selectors: changes.selectors ?? [],
  };
}

export function sealedOf(
  ref: StagedRef,
  ts: number,
  selectors: readonly string[],
  segments: readonly number[] = [0, ref.sizeBytes],
): SealedPart {
  const { head } = newGroup(ts, { part: 'open', selectors });
  return {
    ref,
    head: { ...head, sizeBytes: ref.sizeBytes, txCount: 0 },
    segments: Uint32Array.from(segments),
    transactions: new Float64Array(),
  };
}

/** A group's content in a form that tests compare and print well. */
export function contentOf(group: NewGroup | StoredGroup | undefined) {
  if (group === undefined) throw new Error('there is no such group');
  const { body, segments, transactions } = group.content;
  return {
    body: Buffer.from(body).toString(),
    segments: [...segments],
    transactions: [...transactions],
  };
}
