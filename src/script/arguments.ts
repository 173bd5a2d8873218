/** The arguments of one case, as its directive asks for them; what nobody asked for is an error. */
import { type Place, ScriptError } from './errors.ts';
import type { Argument } from './types.ts';

export class Arguments {
  readonly #args: readonly Argument[];
  readonly #places: readonly Place[];
  readonly #place: Place;
  readonly #used = new Set<string>();

  /** `place` is that of the directive, for arguments that are missing. */
  constructor(args: readonly Argument[], places: readonly Place[], place: Place) {
    this.#args = args;
    this.#places = places;
    this.#place = place;
  }

  /** True when `key` is there, without a value. */
  flag(key: string): boolean {
    const argument = this.#find(key);
    if (argument === undefined || argument.kind === 'flag') return argument !== undefined;
    throw this.error(key, `${key} takes no value`, `write ${key} alone`);
  }

  /** The one value of `key`, which must be there. */
  text(key: string): string {
    const value = this.optional(key);
    if (value !== undefined) return value;
    throw this.error(key, `argument ${key} is missing`, `add ${key}=...`);
  }

  optional(key: string): string | undefined {
    const argument = this.#find(key);
    if (argument === undefined || argument.kind === 'value') return argument?.value;
    throw this.error(key, `${key} takes one value`, `write ${key}=...`);
  }

  /** The values of a list, or the one value; none when `key` is not there. */
  list(key: string): readonly string[] {
    const argument = this.#find(key);
    if (argument === undefined) return [];
    if (argument.kind === 'list') return argument.values;
    if (argument.kind === 'value') return [argument.value];
    throw this.error(key, `${key} takes values`, `write ${key}=(a, b)`);
  }

  integer(key: string): number {
    return this.#integerOf(key, this.text(key));
  }

  optionalInteger(key: string): number | undefined {
    const text = this.optional(key);
    return text === undefined ? undefined : this.#integerOf(key, text);
  }

  choice<T extends string>(key: string, choices: readonly T[]): T {
    return this.#choiceOf(key, this.text(key), choices);
  }

  optionalChoice<T extends string>(key: string, choices: readonly T[]): T | undefined {
    const text = this.optional(key);
    return text === undefined ? undefined : this.#choiceOf(key, text, choices);
  }

  /** Throws for the first argument that nobody has asked for. `what` says of what they are arguments. */
  finish(what: string): void {
    const unused = this.#args.find(({ key }) => !this.#used.has(key));
    if (unused === undefined) return;
    const known = [...this.#used].sort().join(', ') || 'none';
    throw this.error(unused.key, `${unused.key} is not ${what}`, `known here: ${known}`);
  }

  /** A complaint about the argument `key`, where it stands. */
  error(key: string, message: string, remedy: string): ScriptError {
    const index = this.#args.findIndex((argument) => argument.key === key);
    return new ScriptError(this.#places[index] ?? this.#place, message, remedy);
  }

  #find(key: string): Argument | undefined {
    this.#used.add(key);
    return this.#args.find((argument) => argument.key === key);
  }

  #integerOf(key: string, text: string): number {
    const value = Number(text);
    if (/^-?\d+$/.test(text) && Number.isSafeInteger(value)) return value;
    throw this.error(key, `${key}=${text} is not a whole number`, `write ${key}=3`);
  }

  #choiceOf<T extends string>(key: string, text: string, choices: readonly T[]): T {
    const choice = choices.find((candidate) => candidate === text);
    if (choice !== undefined) return choice;
    throw this.error(key, `${key}=${text} is unknown`, `one of: ${choices.join(', ')}`);
  }
}
