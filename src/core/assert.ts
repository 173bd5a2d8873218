/** Broken invariants stop the program: they are bugs of ours, never bad input. */

/** Throws when `condition` is false. `message` names the invariant, with the values that broke it. */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Error(`invariant broken: ${message}`);
}

/** Marks a `switch` as complete: the compiler refuses a missing case, the run stops on a forged one. */
export function unreachable(value: never): never {
  throw new Error(`unreachable: ${JSON.stringify(value)}`);
}
