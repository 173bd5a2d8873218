/** A transaction that is still arriving and may not fit into memory: pieces go to the log's staging area. */
import type { CommitInfo } from '../core/source.ts';
import { type GroupHead, type NewGroup, SEGMENT_ALL, SEGMENT_NONE } from '../log/group.ts';
import { LineBuffer } from '../log/line-buffer.ts';
import type { LogStore, SealedPart, StagedIndex, StagedPart, StagedRef } from '../log/port.ts';

export type Stage = (xid: number, part: StagedPart) => StagedRef;

export class OpenTransaction {
  readonly xid: number;
  readonly buffer: LineBuffer = new LineBuffer();
  readonly #stage: Stage;
  readonly #refs: StagedRef[] = [];
  readonly #aborted = new Set<number>();

  constructor(xid: number, stage: Stage) {
    this.xid = xid;
    this.#stage = stage;
  }

  get isStaged(): boolean {
    return this.#refs.length > 0;
  }

  stagePart(part: StagedPart): void {
    this.#refs.push(this.#stage(this.xid, part));
  }

  /** Moves what is in memory to the staging area. */
  stageBuffer(): void {
    if (this.buffer.length === 0) return;
    this.stagePart({ ...this.buffer.copy(0, 0), selectors: this.buffer.selectors });
    this.buffer.clear();
  }

  /** The lines of this subtransaction will not be delivered. */
  abort(subxid: number): void {
    this.#aborted.add(subxid);
  }

  /** Copies the lines that survive into another buffer; only for transactions that were never staged. */
  copyInto(out: LineBuffer): void {
    const part = { ...this.buffer.copy(0, 0), selectors: this.buffer.selectors };
    out.appendSegments({ ...part, segments: this.#survivors(part) });
  }

  /**
   * Seals the transaction into the log: staged pieces become `open` parts, the rest with the commit line
   * becomes the `last` part, which names every selector of the whole transaction. Returns the new heads;
   * none when everything was rolled back.
   */
  seal(
    log: LogStore,
    request: {
      commit: CommitInfo;
      txid: number;
      writeCommit: (out: LineBuffer, commit: CommitInfo, txid: number) => void;
      tables: Parameters<LogStore['seal']>[3];
    },
  ): readonly GroupHead[] {
    const { commit, txid, tables } = request;
    const rest = new LineBuffer();
    this.copyInto(rest);
    const union = new Set(rest.selectors);
    let hasAll = rest.hasAll;
    for (const ref of this.#refs) {
      const index = log.stagedIndex(ref);
      const segments = this.#survivors(index);
      for (const selector of liveSelectors(segments, index.selectors)) union.add(selector);
      hasAll ||= holdsAll(segments);
    }
    if (union.size === 0 && !hasAll) {
      log.discard(this.xid);
      return [];
    }
    for (const selector of union) rest.selectorId(selector);
    request.writeCommit(rest, commit, txid);
    const last = this.#lastPart(rest, { commit, txid, hasAll });
    const parts = this.#parts(log, { commit, txid });
    return tables === undefined
      ? log.seal(this.xid, parts, last)
      : log.seal(this.xid, parts, last, tables);
  }

  *#parts(log: LogStore, info: { commit: CommitInfo; txid: number }): Iterable<SealedPart> {
    for (const ref of this.#refs) {
      const index = log.stagedIndex(ref);
      const segments = this.#survivors(index);
      yield {
        ref,
        segments,
        transactions: new Float64Array([info.commit.ts, info.txid, info.commit.timeMicros]),
        head: {
          firstTs: info.commit.ts,
          lastTs: info.commit.ts,
          part: 'open',
          txCount: 0,
          maxTxid: info.txid,
          minTxid: info.txid,
          selectors: index.selectors,
          hasAll: holdsAll(segments),
          sizeBytes: ref.sizeBytes,
        },
      };
    }
  }

  #lastPart(
    rest: LineBuffer,
    info: { commit: CommitInfo; txid: number; hasAll: boolean },
  ): NewGroup {
    const { body, segments } = rest.copy(0, 0);
    const { ts, timeMicros } = info.commit;
    return {
      head: {
        firstTs: ts,
        lastTs: ts,
        part: 'last',
        txCount: 1,
        maxTxid: info.txid,
        minTxid: info.txid,
        selectors: rest.selectors,
        hasAll: info.hasAll,
        sizeBytes: body.length + segments.byteLength,
      },
      content: { segments, transactions: new Float64Array([ts, info.txid, timeMicros]), body },
    };
  }

  #survivors(part: StagedIndex): Uint32Array {
    if (this.#aborted.size === 0) return part.segments;
    const segments = part.segments.slice();
    for (let index = 0; index < part.subxids.length; index += 1) {
      if (this.#aborted.has(part.subxids[index] ?? 0)) segments[index * 2] = SEGMENT_NONE;
    }
    return segments;
  }
}

function liveSelectors(segments: Uint32Array, selectors: readonly string[]): string[] {
  const live = new Set<number>();
  for (let index = 0; index < segments.length; index += 2) live.add(segments[index] ?? 0);
  return selectors.filter((_, id) => live.has(id));
}

function holdsAll(segments: Uint32Array): boolean {
  for (let index = 0; index < segments.length; index += 2) {
    if (segments[index] === SEGMENT_ALL) return true;
  }
  return false;
}
