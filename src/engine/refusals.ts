/** Writes of replicas that Postgres refused: counted since the start, the last ones kept. */
import type { Rejection } from '../core/upload.ts';
import type { RejectedWrite, RejectedWrites } from '../protocol/dashboard.ts';

const LATEST_MAX = 200;
const KEY_CHARS_MAX = 200;

export type RefusedUpload = {
  readonly atMs: number;
  readonly user: string;
  readonly site: string;
  readonly refused: readonly Rejection[];
};

export class Refusals {
  readonly #totals: Record<string, number> = {};
  #latest: RejectedWrite[] = [];

  note({ refused, atMs, user, site }: RefusedUpload): void {
    for (const { number, code, message, table, key } of refused) {
      this.#totals[code] = (this.#totals[code] ?? 0) + 1;
      this.#latest.push({
        ...{ atMs, user, site, number, code, message },
        ...(table === undefined ? {} : { table }),
        ...(key === undefined ? {} : { key: JSON.stringify(key).slice(0, KEY_CHARS_MAX) }),
      });
    }
    if (this.#latest.length > LATEST_MAX) this.#latest = this.#latest.slice(-LATEST_MAX);
  }

  get told(): RejectedWrites {
    return { totals: { ...this.#totals }, latest: [...this.#latest].reverse() };
  }
}
