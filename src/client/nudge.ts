/**
 * Makes waiting for a position prompt where nothing happens: a feed without changes says only now and then
 * how far it is. While somebody waits, this asks the server to reach the position, then reads a feed of its
 * own from the replica's position to the log's end: when it has no changes, its closing marker holds for
 * the replica too.
 */
import { hasCode } from '../core/errors.ts';
import type { Ts } from '../core/lsn.ts';
import { LineSplitter, type RawLine } from '../protocol/lines.ts';
import type { ServerApi } from './server-api.ts';
import type { ReplicaIdentity } from './store.ts';

const WAIT_S = 10;
const HEARTBEAT_S = 5;

export type NudgeHost = {
  readonly api: ServerApi;
  /** What is waited for, or null. */
  readonly target: () => Ts | null;
  /** Where the replica stands, or null while it is not caught up (then its feed will get there by itself). */
  readonly identity: () => ReplicaIdentity | null;
  /** Takes a marker line that holds for the replica. */
  readonly onMarker: (line: RawLine) => void;
};

export class Nudge {
  readonly #host: NudgeHost;
  #controller: AbortController | null = null;

  constructor(host: NudgeHost) {
    this.#host = host;
  }

  /** Starts, unless it is under way or nobody waits. Whatever goes wrong is left to the feed and the waits' limits. */
  start(): void {
    if (this.#controller !== null || this.#due() === null) return;
    const controller = new AbortController();
    this.#controller = controller;
    const done = (): void => {
      if (this.#controller === controller) this.#controller = null;
    };
    this.#run(controller.signal).then(done, done);
  }

  stop(): void {
    this.#controller?.abort();
    this.#controller = null;
  }

  #due(): { readonly target: Ts; readonly identity: ReplicaIdentity } | null {
    const target = this.#host.target();
    const identity = this.#host.identity();
    return target === null || identity === null || identity.position >= target
      ? null
      : { target, identity };
  }

  async #run(signal: AbortSignal): Promise<void> {
    for (let due = this.#due(); due !== null && !signal.aborted; due = this.#due()) {
      if (!(await this.#reach(due.target, signal))) continue; // that took WAIT_S
      const now = this.#due();
      if (now === null || !(await this.#probe(now.identity, signal))) return;
      // No progress by an answer without changes: the feed is inside a transaction and will say more.
      if (this.#due()?.identity.position === now.identity.position) return;
    }
  }

  /** False when the server is not there yet. */
  async #reach(target: Ts, signal: AbortSignal): Promise<boolean> {
    try {
      await this.#host.api.wait(target, WAIT_S, signal);
      return true;
    } catch (error) {
      if (hasCode(error, 'TIMEOUT')) return false;
      throw error;
    }
  }

  /** False when there are changes: the feed is about to bring them, and starts a new nudge if need be. */
  async #probe(identity: ReplicaIdentity, signal: AbortSignal): Promise<boolean> {
    const { selectors, position, timeline } = identity;
    const body = await this.#host.api.feed({
      ...{ selectors, timeline, since: position, signal },
      ...{ replica: undefined, isFollowing: false, heartbeatS: HEARTBEAT_S },
    });
    const splitter = new LineSplitter();
    for await (const chunk of body) {
      for (const line of splitter.push(chunk)) {
        if (line.type === 'progress') this.#host.onMarker({ ...line, type: 'heartbeat' });
        else if (line.type !== 'hello' && line.type !== 'table') return false;
      }
    }
    return true;
  }
}
