/** The last minutes of the engine's pulse, one sample a second: what the plots of a page that opens begin with. */
import type { EnginePulse } from '../../engine/inspection-api.ts';
import type { Sample } from '../../protocol/dashboard.ts';
import type { Clock } from '../clock.ts';

const SAMPLE_MS = 1000;
/** A quarter of an hour. */
const SAMPLES_MAX = 900;

export type PulseSource = {
  readonly clock: Clock;
  readonly pulse: () => EnginePulse;
  /** Handed to sockets since the start. */
  readonly bytesOut: () => number;
};

type Reading = { readonly at: number; readonly pulse: EnginePulse; readonly bytesOut: number };

export class PulseHistory {
  readonly #source: PulseSource;
  readonly #stop: () => void;
  readonly #listeners = new Set<(sample: Sample) => void>();
  #samples: Sample[] = [];
  #last: Reading;

  constructor(source: PulseSource) {
    this.#source = source;
    this.#last = this.#read();
    this.#stop = source.clock.every(SAMPLE_MS, () => this.#take());
  }

  get samples(): readonly Sample[] {
    return this.#samples;
  }

  /** Calls `listener` with every new sample until the returned function is called. */
  follow(listener: (sample: Sample) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  close(): void {
    this.#stop();
    this.#listeners.clear();
  }

  #read(): Reading {
    const { clock, pulse, bytesOut } = this.#source;
    return { at: clock.now(), pulse: pulse(), bytesOut: bytesOut() };
  }

  #take(): void {
    const now = this.#read();
    const sample = sampleOf(this.#last, now, this.#source.clock.wallMs());
    this.#last = now;
    this.#samples.push(sample);
    if (this.#samples.length > SAMPLES_MAX) this.#samples = this.#samples.slice(-SAMPLES_MAX);
    for (const listener of this.#listeners) listener(sample);
  }
}

/** In the order of `SAMPLE_FIELDS`. */
function sampleOf(before: Reading, now: Reading, wallMs: number): Sample {
  const seconds = Math.max(0.001, (now.at - before.at) / 1000);
  const { pulse } = now;
  const perS = (then: number, since: number): number =>
    Math.round(((since - then) / seconds) * 10) / 10;
  const transactions = perS(before.pulse.transactions, pulse.transactions);
  return [
    Math.round(wallMs),
    perS(before.pulse.changes, pulse.changes),
    transactions,
    perS(before.bytesOut, now.bytesOut),
    // Without a transaction there was no way from commit to log to be measured.
    transactions > 0 ? pulse.lastCommitLagS : null,
    pulse.lagBytes,
    pulse.retainedWalBytes,
    pulse.logBytes,
    pulse.subscribers,
  ];
}
