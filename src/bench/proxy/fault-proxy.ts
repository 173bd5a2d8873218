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

/** They befall requests that change something; a reader of a feed makes none. */
const WRITE_FAULTS: readonly NetworkFault[] = ['http-duplicate', 'http-replay', 'http-reorder'];

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

export class FaultProxy {
  readonly #tcp: TcpProxy;
  readonly #http: HttpProxy;
  readonly #random: SeededRandom;
  #isTaken = false;

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
  async take(fault: NetworkFault): Promise<void> {
    await this.heal();
    this.inject(fault);
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
  async heal(): Promise<readonly string[]> {
    const seen = [...this.#tcp.heal(), ...(await this.#http.heal())];
    this.#isTaken = false;
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
      return { kind: 'cut', afterBytes: random.between(1, CUT_BYTES_MAX) };
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
