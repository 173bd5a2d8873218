/**
 * The runs of an area from a host that is not its home: calls to its elected server, wherever that is now.
 *
 * The area's file names the server. Before anything was begun a leader that is just being replaced is waited for
 * shortly; what was begun waits as long as `RemoteRuns` does.
 */
import { randomUUID } from 'node:crypto';
import { hasCode, TidelockError } from '../../core/errors.ts';
import { RUNS_PREFIX, type RunsStatus } from '../../protocol/runs.ts';
import { type Discovery, readDiscovery } from './leader.ts';
import type { AreaPlace } from './place.ts';
import { failureOf, nobodyServes, RemoteRuns, unreachableServer } from './remote.ts';

const ANSWER_MS_MAX = 5000;
/** So long a server that was announced and does not answer may take to be replaced. */
const CONNECT_MS_MAX = 10_000;
const LOOK_MS = 100;

export type AwayOptions = {
  readonly place: AreaPlace;
  /** The area's home host. */
  readonly home: string;
  readonly token?: string | undefined;
  /** Every try that failed and is made again. */
  readonly onTrouble: (error: TidelockError) => void;
  readonly connectMsMax?: number | undefined;
};

/** Bytes of a file of an execution. */
export type LogRange = {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly from: number;
  /** Of the whole file. */
  readonly size: number;
};

export class Away {
  readonly home: string;
  readonly calls: RemoteRuns;
  readonly #options: AwayOptions;

  constructor(options: AwayOptions) {
    this.#options = options;
    this.home = options.home;
    this.calls = new RemoteRuns({
      url: () => this.find()?.url ?? null,
      ...{ token: options.token, home: options.home, newKey: randomUUID, random: Math.random },
      onTrouble: options.onTrouble,
    });
  }

  get token(): string | undefined {
    return this.#options.token;
  }

  /** Who leads, by the area's file; null: nobody says so. */
  find(): Discovery | null {
    return readDiscovery(this.#options.place.discoveryFile);
  }

  /** Asks once. Throws `SERVER_UNREACHABLE`, also when another one answers there, `TOKEN_INVALID`, `TOKEN_FORBIDS`, .. */
  async statusAt({ url, host, pid }: Discovery): Promise<RunsStatus> {
    const answer = await this.#get(`${url}${RUNS_PREFIX}/status`);
    const status = (await answer.json()) as RunsStatus;
    if (status.host === host && status.pid === pid) return status;
    throw unreachableServer(
      new Error(`process ${status.pid} on ${status.host} answers at ${url}, not ${pid} on ${host}`),
    );
  }

  /** Asks until a server answers. Throws `OFF_HOME` when none is known, and what the last one failed with. */
  async connect(): Promise<RunsStatus> {
    const deadline = performance.now() + (this.#options.connectMsMax ?? CONNECT_MS_MAX);
    for (;;) {
      const there = this.find();
      if (there === null) throw nobodyServes(this.home);
      try {
        return await this.statusAt(there);
      } catch (error) {
        if (!hasCode(error, 'SERVER_UNREACHABLE')) throw error;
        if (performance.now() > deadline) throw this.#silent(there, error);
        this.#options.onTrouble(error);
        await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
      }
    }
  }

  /** Without `from`, the end of the file. Throws `NOT_FOUND`, and what `statusAt` throws. */
  async readLog(query: {
    readonly test: number;
    readonly file?: string | undefined;
    readonly from?: number | undefined;
    readonly bytes?: number | undefined;
  }): Promise<LogRange> {
    const there = this.find();
    if (there === null) throw nobodyServes(this.home);
    const words = Object.entries(query).flatMap(([name, value]) =>
      value === undefined ? [] : [[name, String(value)] as [string, string]],
    );
    const answer = await this.#get(`${there.url}${RUNS_PREFIX}/log?${new URLSearchParams(words)}`);
    const [from, size] = ['tidelock-from', 'tidelock-size'].map((name) =>
      Number(answer.headers.get(name)),
    );
    return {
      bytes: new Uint8Array(await answer.arrayBuffer()),
      ...{ from: from ?? 0, size: size ?? 0 },
    };
  }

  /** What the server says to a request for a path of it, whatever that is. Throws `OFF_HOME`, `SERVER_UNREACHABLE`. */
  async forward(path: string, signal: AbortSignal): Promise<Response> {
    const there = this.find();
    if (there === null) throw nobodyServes(this.home);
    return await this.#ask(`${there.url}${path}`, signal);
  }

  async #get(url: string): Promise<Response> {
    const answer = await this.#ask(url, AbortSignal.timeout(ANSWER_MS_MAX));
    if (answer.ok) return answer;
    throw this.#explained(failureOf(answer, await answer.text()));
  }

  async #ask(url: string, signal: AbortSignal): Promise<Response> {
    const { token } = this.#options;
    const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
    try {
      return await fetch(url, { headers, signal });
    } catch (error) {
      throw unreachableServer(error);
    }
  }

  /** Says which token is wanted, and where it is made. */
  #explained(error: TidelockError): TidelockError {
    const { code, message, details } = error;
    if (code !== 'TOKEN_INVALID' && code !== 'TOKEN_FORBIDS') return error;
    const { area } = this.#options.place;
    return new TidelockError({
      ...{ code, message: `the server of ${this.home}: ${message}`, details, cause: error },
      hint: `set --token or TIDELOCK_TOKEN; made on ${this.home} by: tidelock token --selector ${area} --scope read,write`,
    });
  }

  #silent({ url, pid, host }: Discovery, cause: TidelockError): TidelockError {
    return new TidelockError({
      code: 'SERVER_UNREACHABLE',
      message: `the server of ${this.home} does not answer: process ${pid} on ${host}, ${url}`,
      hint: isLoopback(url)
        ? `it listens for its own host only: end it and start it with tidelock runs serve --host <name or address of ${this.home}>`
        : `start another one on ${this.home}: tidelock runs serve --host <name or address of ${this.home}>`,
      cause,
    });
  }
}

/** Nobody but that host itself comes there. */
function isLoopback(url: string): boolean {
  const name = URL.parse(url)?.hostname ?? '';
  return name === 'localhost' || name === '[::1]' || name.startsWith('127.');
}
