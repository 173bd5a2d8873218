/**
 * Positions of the evidence. When another server takes Postgres' place, its log goes on from an earlier position, so one
 * position may stand for two states. The evidence counts on: what each of these servers wrote has positions of its own.
 */
import { type Lsn, toLsn } from '../core/lsn.ts';

/** Longer than any simulated log. */
const ERA_BYTES = 2 ** 40;

export class Eras {
  /** Up to where each server's log is its predecessor's; below 0: it has nothing of it. */
  readonly #branches: number[] = [-1];
  /** By the product's timeline: the number of the server whose log it had last. */
  readonly #followed = new Map<string, number>();

  /** Another server is there, whose log is the old one up to `position`. */
  branch(position: number): void {
    this.#branches.push(position);
  }

  /** The product's history `timeline` has the log of server number `era`. */
  follows(timeline: string, era: number): void {
    this.#followed.set(timeline, era);
  }

  /** A position in what server number `era` wrote. */
  at(era: number, position: number): Lsn {
    return toLsn(era * ERA_BYTES + position);
  }

  /** A position of a replica that follows `timeline`. */
  ofReplica(timeline: string, position: number): Lsn {
    let era = this.#followed.get(timeline) ?? 0;
    while (era > 0 && position <= (this.#branches[era] ?? -1)) era -= 1;
    return this.at(era, position);
  }
}
