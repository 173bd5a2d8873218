/** The evidence of a run that never was a folder. */
import type { StreamName } from '../stress/evidence.ts';
import type { Streams } from '../stress/judge/streams.ts';

export class MemoryStreams implements Streams {
  readonly flaws: readonly string[] = [];
  readonly #events = new Map<StreamName, object[]>();

  add(name: StreamName, event: object): void {
    const known = this.#events.get(name);
    if (known === undefined) this.#events.set(name, [event]);
    else known.push(event);
  }

  async each<T>(name: StreamName, take: (event: T, index: number) => void): Promise<void> {
    const events = this.#events.get(name) ?? [];
    for (const [index, event] of events.entries()) take(event as T, index);
  }
}
