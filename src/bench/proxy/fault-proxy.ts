/** The bench's fault proxy: a client meets the TCP faults, behind them those of HTTP, behind them the server. */
import { SeededRandom } from '../random.ts';
import type { Capture } from './http-message.ts';
import { type HttpFault, HttpProxy } from './http-proxy.ts';
import { type TcpFault, TcpProxy } from './tcp-proxy.ts';

export type NetworkFault = `net-${TcpFault['kind']}` | `http-${HttpFault['kind']}`;

export const NETWORK_FAULTS: readonly NetworkFault[] = [
  ...(['net-reset', 'net-half-open', 'net-delay', 'net-slice', 'net-cut', 'net-one-way'] as const),
  ...(['http-duplicate', 'http-replay', 'http-reorder'] as const),
  ...(['http-status', 'http-malformed', 'http-truncated'] as const),
];

/** They befall uploads; who only reads makes none. */
export const WRITE_FAULTS: readonly NetworkFault[] = [
  'http-duplicate',
  'http-replay',
  'http-reorder',
];

/** What can befall somebody who only reads. */
export const READ_FAULTS = NETWORK_FAULTS.filter((fault) => !WRITE_FAULTS.includes(fault));

export type FaultProxyOptions = {
  readonly target: string;
  /** What chance decides in a fault. */
  readonly seed: number;
  /** Gets what the client was given. */
  readonly capture?: Capture | undefined;
};

const DELAY_MS_MAX = 120;
const SLICE_BYTES_MAX = 700;
const CUT_BYTES_MAX = 40_000;
/** Requests that a fault of HTTP befalls: the client must get through in the end. */
const TIMES_MAX = 4;
const STATUSES = [500, 502, 503, 504] as const;

/** A fault that was begun by `take`. */
export type TakenFault = {
  /** True once something was seen of it. */
  readonly hasEffect: boolean;
  /** Ends it, unless another one has taken its place; returns what was seen of it. */
  end(): Promise<readonly string[]>;
};

export class FaultProxy {
  readonly #tcp: TcpProxy;
  readonly #http: HttpProxy;
  readonly #random: SeededRandom;
  #isTaken = false;
  /** Of the fault that was taken last: told what was seen of it when it ends. */
  #onEnd: ((seen: readonly string[]) => void) | null = null;
  /** One change of faults after the other. */
  #turn: Promise<unknown> = Promise.resolve();

  private constructor(tcp: TcpProxy, http: HttpProxy, random: SeededRandom) {
    this.#tcp = tcp;
    this.#http = http;
    this.#random = random;
  }

  static async start({ target, seed, capture }: FaultProxyOptions): Promise<FaultProxy> {
    const random = new SeededRandom(seed);
    const http = await HttpProxy.start({ target, capture });
    return new FaultProxy(await TcpProxy.start(http.url, random), http, random);
  }

  /** Where the client is sent to. */
  get url(): string {
    return this.#tcp.url;
  }

  /** True once a fault holds something back. */
  get isHolding(): boolean {
    return this.#tcp.isHolding;
  }

  /** True while a fault lasts. */
  get isTaken(): boolean {
    return this.#isTaken;
  }

  /** Ends the fault that lasts, if any, and begins another. */
  take(fault: NetworkFault): Promise<TakenFault> {
    return this.#inTurn(async () => {
      await this.#heal();
      this.inject(fault);
      return this.#takenNow();
    });
  }

  #takenNow(): TakenFault {
    let seen: readonly string[] | null = null;
    this.#onEnd = (lines) => {
      seen = lines;
    };
    const hasEffect = (): boolean => this.#tcp.hasEffect || this.#http.hasEffect;
    return {
      get hasEffect() {
        return seen === null ? hasEffect() : seen.length > 0;
      },
      end: () => this.#inTurn(async () => seen ?? this.#heal()),
    };
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(work);
    this.#turn = done.catch(() => undefined);
    return done;
  }

  /** Begins a fault, with parameters by chance. */
  inject(fault: NetworkFault): void {
    this.#isTaken = true;
    const [tcp, http] = [tcpFaultOf(fault, this.#random), httpFaultOf(fault, this.#random)];
    if (tcp !== null) this.#tcp.inject(tcp);
    if (http === null) return;
    this.#http.inject(http, TIMES_MAX);
    // Who follows a stream makes a new request only when the old one breaks.
    if (!WRITE_FAULTS.includes(fault)) this.#tcp.dropAll();
  }

  /** Ends it; returns what was seen of it. */
  heal(): Promise<readonly string[]> {
    return this.#inTurn(() => this.#heal());
  }

  async #heal(): Promise<readonly string[]> {
    const seen = [...this.#tcp.heal(), ...(await this.#http.heal())];
    this.#isTaken = false;
    this.#onEnd?.(seen);
    this.#onEnd = null;
    return seen;
  }

  async close(): Promise<void> {
    await this.#tcp.close();
    await this.#http.close();
  }
}

function tcpFaultOf(fault: NetworkFault, random: SeededRandom): TcpFault | null {
  switch (fault) {
    case 'net-reset':
      return { kind: 'reset' };
    case 'net-half-open':
      return { kind: 'half-open' };
    case 'net-delay': {
      const delayMs = random.between(1, DELAY_MS_MAX);
      return { kind: 'delay', delayMs, jitterMs: delayMs };
    }
    case 'net-slice':
      return { kind: 'slice', sliceBytes: random.between(1, SLICE_BYTES_MAX), pauseMs: 0 };
    case 'net-cut':
      // Of any size, small ones as often as large ones: few answers of a small run are large.
      return { kind: 'cut', afterBytes: Math.ceil(CUT_BYTES_MAX ** random.next()) };
    case 'net-one-way':
      return { kind: 'one-way', silent: random.pick(['up', 'down']) };
    default:
      return null;
  }
}

function httpFaultOf(fault: NetworkFault, random: SeededRandom): HttpFault | null {
  switch (fault) {
    case 'http-status':
      return { kind: 'status', status: random.pick(STATUSES), isWorkDone: random.next() < 0.5 };
    case 'http-duplicate':
      return { kind: 'duplicate' };
    case 'http-replay':
      return { kind: 'replay' };
    case 'http-reorder':
      return { kind: 'reorder' };
    case 'http-malformed':
      return { kind: 'malformed' };
    case 'http-truncated':
      return { kind: 'truncated' };
    default:
      return null;
  }
}
