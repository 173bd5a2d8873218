/** Bugs on the way out: a feed whose transactions are rewritten before they are sent. */
import { formatLsn, parseLsn, type Ts, toLsn } from '../../../core/lsn.ts';
import type { Feed } from '../../../engine/api.ts';
import type { BugName } from './catalog.ts';
import { standIn } from './stand-in.ts';

export type FeedTransaction = {
  /** Without the commit line. */
  readonly lines: readonly string[];
  readonly ts: number;
  readonly txid: number;
  readonly commit: string;
};

/** What goes out in one frame. */
export type Piece = {
  readonly lines: readonly string[];
  /** Where the feed stands afterwards. */
  readonly position: number;
  /** Sent so long after the piece before it. */
  readonly delayMs: number;
};

export type Rewrite = (transaction: FeedTransaction) => readonly Piece[];

/** Some position inside a transaction, as its rows have. */
const ROW_BYTES = 8;
/** Long enough for a reader of the replica to look. */
const PAUSE_MS = 250;
/** Transactions between two that a bug befalls: the run must go on. */
const EVERY = 5;
/** Nearer together than this, nothing else was written between two transactions. */
const NEXT_BYTES = 4096;
/** So far a keepalive is ahead of what is delivered. */
const AHEAD_BYTES = 100_000;
const LONG_NUMBER = /"(-?\d{16,19})"/g;

/** One function per feed: each keeps what its bug remembers. */
const REWRITES: Readonly<Partial<Record<BugName, () => Rewrite>>> = {
  'cursor-by-txid': () => {
    let largest = 0;
    return (transaction) => {
      if (transaction.txid < largest) return [];
      largest = transaction.txid;
      return [whole(transaction)];
    };
  },
  'row-lsn-as-cursor': () => (transaction) => [
    committedAt(transaction, transaction.ts - ROW_BYTES),
  ],
  'lsn-as-key': () => {
    let end = 0;
    return (transaction) => {
      const isKnown = transaction.ts - end < NEXT_BYTES;
      end = transaction.ts;
      return [whole(isKnown ? { ...transaction, lines: transaction.lines.slice(1) } : transaction)];
    };
  },
  'split-transaction': () =>
    everyFifth((transaction) => {
      const half = transaction.lines.length >> 1;
      if (half === 0) return [whole(transaction)];
      const first = { ...transaction, lines: transaction.lines.slice(0, half) };
      const rest = { ...transaction, lines: transaction.lines.slice(half) };
      return [
        committedAt(first, transaction.ts - ROW_BYTES),
        { ...whole(rest), delayMs: PAUSE_MS },
      ];
    }),
  'early-heartbeat': () =>
    everyFifth((transaction) => {
      const { ts } = transaction;
      const marker = `{"type":"progress","ts":"${formatLsn(toLsn(ts))}"}`;
      const early = { lines: [marker], position: ts, delayMs: 0 };
      return [early, { ...whole(transaction), delayMs: PAUSE_MS }];
    }),
  'number-as-double': () => (transaction) => {
    const lines = transaction.lines.map((line) =>
      line.replaceAll(LONG_NUMBER, (_, digits: string) => `"${BigInt(Number(digits))}"`),
    );
    return [whole({ ...transaction, lines })];
  },
};

/** The feed with the bug; the feed itself when the bug is another one. */
export function plantInFeed(bug: BugName, feed: Feed, after: After = afterReally): Feed {
  if (bug === 'keepalive-skips') return skippingFeed(feed);
  const rewrite = REWRITES[bug];
  return rewrite === undefined ? feed : new RewrittenFeed(feed, rewrite(), after);
}

/** The markers of an idle feed name a position that is not delivered yet. */
function skippingFeed(feed: Feed): Feed {
  return standIn(feed, {
    progressLine: (kind) => {
      const text = Buffer.from(feed.progressLine(kind)).toString();
      const line = JSON.parse(text) as { readonly ts: string };
      const ahead = toLsn(parseLsn(line.ts, 'ts') + AHEAD_BYTES);
      return Buffer.from(`${JSON.stringify({ ...line, ts: formatLsn(ahead) })}\n`);
    },
  });
}

function everyFifth(rewrite: Rewrite): Rewrite {
  let count = 0;
  return (transaction) => {
    count += 1;
    return count % EVERY === 0 ? rewrite(transaction) : [whole(transaction)];
  };
}

export function whole(transaction: FeedTransaction): Piece {
  const { lines, commit, ts } = transaction;
  return { lines: lines.length === 0 ? [] : [...lines, commit], position: ts, delayMs: 0 };
}

function committedAt(transaction: FeedTransaction, position: number): Piece {
  const own = formatLsn(toLsn(transaction.ts));
  const commit = transaction.commit.replace(own, formatLsn(toLsn(position)));
  return { ...whole({ ...transaction, commit }), position };
}

/** Calls back after a delay; the result cancels. */
export type After = (delayMs: number, run: () => void) => () => void;

const afterReally: After = (delayMs, run) => {
  const timer = setTimeout(run, delayMs);
  return () => clearTimeout(timer);
};

export class RewrittenFeed implements Feed {
  readonly head: Uint8Array;
  onReady: (() => void) | null = null;
  readonly #feed: Feed;
  readonly #rewrite: Rewrite;
  /** Lines of a transaction whose commit line is in a later frame. */
  #open: string[] = [];
  #queue: Piece[] = [];
  readonly #after: After;
  #cancel: (() => void) | null = null;
  #isDue = false;
  #position: Ts;

  constructor(feed: Feed, rewrite: Rewrite, after: After = afterReally) {
    this.#feed = feed;
    this.#after = after;
    this.#rewrite = rewrite;
    this.head = feed.head;
    this.#position = feed.position;
    feed.onReady = () => this.onReady?.();
  }

  get position(): Ts {
    return this.#queue.length === 0 && this.#open.length === 0
      ? this.#feed.position
      : this.#position;
  }

  read(): Uint8Array | null {
    for (;;) {
      const [next] = this.#queue;
      if (next !== undefined) {
        if (next.delayMs > 0 && !this.#isDue) return this.#later(next.delayMs);
        this.#isDue = false;
        this.#queue.shift();
        this.#position = toLsn(next.position);
        if (next.lines.length === 0) continue;
        return Buffer.from(next.lines.map((line) => `${line}\n`).join(''));
      }
      const frame = this.#feed.read();
      if (frame === null) return null;
      this.#take(Buffer.from(frame).toString());
    }
  }

  progressLine(kind: 'progress' | 'heartbeat'): Uint8Array {
    if (this.#queue.length === 0) return this.#feed.progressLine(kind);
    const line = { type: kind, ts: formatLsn(this.#position), micros: Date.now() * 1000 };
    return Buffer.from(`${JSON.stringify(line)}\n`);
  }

  close(): void {
    this.#cancel?.();
    this.#feed.close();
  }

  #later(delayMs: number): null {
    this.#cancel ??= this.#after(delayMs, () => {
      this.#cancel = null;
      this.#isDue = true;
      this.onReady?.();
    });
    return null;
  }

  #take(text: string): void {
    for (const line of text.split('\n')) {
      if (line === '') continue;
      if (!line.startsWith('{"type":"commit"')) {
        this.#open.push(line);
        continue;
      }
      const { ts, txid } = JSON.parse(line) as { readonly ts: string; readonly txid: string };
      const transaction = {
        ...{ lines: this.#open, commit: line, txid: Number(txid) },
        ts: parseLsn(ts, 'ts'),
      };
      this.#open = [];
      this.#queue.push(...this.#rewrite(transaction));
    }
  }
}
