/** The server's side of uploads: numbers of sites are counted once, and what they changed is merged. */
import type { HttpRequest } from '../../client/transport.ts';
import { TidelockError } from '../../core/errors.ts';
import { formatLsn, type Lsn, parseLsn, toLsn } from '../../core/lsn.ts';
import { isAlive, merge, type RowState, UNKNOWN_ROW } from '../../merge/row-state.ts';
import { encodeUploadAnswer } from '../../protocol/upload.ts';
import { readUpload } from '../../protocol/upload-reader.ts';
import type { Connection, Reply, Server } from '../network.ts';
import { type Change, changeOf } from './table.ts';

export const TIMELINE = 'T1';
const FIRST_POSITION = 100;
const STEP = 10;

/** How the server goes wrong, when a bug is planted. */
export type MergeBug =
  | 'last-writer-wins'
  | 'tombstones-forgotten'
  | 'first-batch-only'
  | 'newest-first'
  | null;

type Stamped = { readonly state: RowState; readonly at: number };

export class MergeServer implements Server {
  readonly rows = new Map<string, Stamped>();
  position: Lsn = toLsn(FIRST_POSITION);
  /** Transactions that were delivered again. */
  repeated = 0;
  readonly #sites = new Map<string, number>();
  readonly #bug: MergeBug;
  /** Positions from which somebody has asked. */
  readonly #asked = new Set<Lsn>();

  constructor(bug: MergeBug) {
    this.#bug = bug;
  }

  /** The last number of a site that was counted. */
  lastOf(site: string): number {
    return this.#sites.get(site) ?? 0;
  }

  handle(request: HttpRequest, _connection: Connection, reply: (reply: Reply) => void): void {
    try {
      reply(json(200, this.#answer(request)));
    } catch (error) {
      if (!(error instanceof TidelockError)) throw error;
      reply(json(409, JSON.stringify({ error: { code: error.code, message: error.message } })));
    }
  }

  /** Somebody writes in Postgres itself. */
  write(changes: readonly Change[]): void {
    this.position = toLsn(this.position + STEP);
    for (const change of changes) this.#merge(change);
  }

  stateOf(key: string): RowState {
    return this.rows.get(key)?.state ?? UNKNOWN_ROW;
  }

  #answer({ path, lines }: HttpRequest): string {
    const url = new URL(path, 'http://server');
    if (url.pathname === '/v1/upload')
      return this.#upload(typeof lines === 'string' ? lines : [...(lines ?? [])].join(''));
    const since = parseLsn(url.searchParams.get('since') ?? '', 'since');
    const changed = [...this.rows].filter(([, { at }]) => at > since);
    const isHasty = this.#bug === 'newest-first' && changed.length > 1 && !this.#asked.has(since);
    this.#asked.add(since);
    const newest = Math.max(...changed.map(([, { at }]) => at));
    const rows = changed
      .filter(([, { at }]) => !isHasty || at === newest)
      .map(([key, { state }]) => [
        key,
        state.cl,
        [...state.columns].map(([name, { version, value }]) => [name, version, String(value)]),
      ]);
    return JSON.stringify({ position: formatLsn(isHasty ? since : this.position), rows });
  }

  #upload(text: string): string {
    const { head, transactions } = readUpload(text);
    const first = transactions[0]?.number;
    const last = this.lastOf(head.site);
    if (first !== undefined && first > last + 1) {
      throw new TidelockError({ code: 'UPLOAD_GAP', message: `${first} follows ${last}` });
    }
    let accepted = last;
    const fresh: Change[] = [];
    for (const { number, changes } of transactions) {
      if (number <= last) {
        this.repeated += 1;
        continue;
      }
      accepted = number;
      if (this.#bug !== 'first-batch-only' || fresh.length === 0)
        fresh.push(...changes.map(changeOf));
    }
    if (fresh.length > 0) this.write(fresh);
    this.#sites.set(head.site, accepted);
    const { position } = this;
    return encodeUploadAnswer({ accepted, timeline: TIMELINE, position, rejected: [] });
  }

  #merge({ key, state }: Change): void {
    const before = this.stateOf(key);
    const after =
      this.#bug === 'last-writer-wins' ? overwritten(before, state) : merge(before, state);
    if (this.#bug === 'tombstones-forgotten' && !isAlive(after)) this.rows.delete(key);
    else if (after !== before) this.rows.set(key, { state: after, at: this.position });
  }
}

/** Whoever comes last. */
function overwritten(before: RowState, state: RowState): RowState {
  if (state.cl !== before.cl) return state;
  return { cl: state.cl, columns: new Map([...before.columns, ...state.columns]) };
}

function json(status: number, text: string): Reply {
  return { status, headers: { 'content-type': 'application/json' }, body: Buffer.from(text) };
}
