/** Ends a process at a named point of the program, as `kill -9` would (P19). */
export type Trap = {
  readonly point: string;
  /** The how-manieth time it comes there, from 1. */
  readonly hit: number;
};

export class Trapdoor {
  #point: string | undefined;
  #left = 0;

  set(trap: Trap | undefined): void {
    this.#point = trap?.point;
    this.#left = trap?.hit ?? 0;
  }

  /** The hook to give to the program. */
  readonly pass = (point: string): void => {
    if (point !== this.#point) return;
    this.#left -= 1;
    if (this.#left === 0) process.kill(process.pid, 'SIGKILL');
  };
}
