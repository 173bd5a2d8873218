/**
 * A regular expression as an automaton: states that are left with a character, and states that are passed at once.
 * A program that only says whether a text matches has no captures. One that says what matches takes its ways in
 * JavaScript's order: an optional round of a repeat that takes nothing is none, and a round forgets the captures of the one before.
 */
import type { AssertionKind, RegexNode, SetNode } from './tree.ts';
import { groupsOf } from './tree.ts';

export type State =
  /** Left with a character of the set of that number. */
  | { readonly kind: 'set'; readonly set: number; readonly next: number }
  | { readonly kind: AssertionKind; readonly next: number }
  /** The ways in their order. */
  | { readonly kind: 'split'; readonly next: number[] }
  /** Notes the place in a slot: groups have two. */
  | { readonly kind: 'save'; readonly slot: number; readonly next: number }
  | { readonly kind: 'forget'; readonly groups: readonly number[]; readonly next: number }
  | { readonly kind: 'match' }
  | { readonly kind: 'fail' };

export type Program = {
  readonly states: readonly State[];
  readonly first: number;
  readonly sets: readonly SetNode[];
};

export type ProgramOptions = {
  /** Repeats in braces are written out. */
  readonly statesMax: number;
  readonly keepsCaptures: boolean;
};

/** Where to go on when nothing was taken since it mattered, and when something was. */
type Exits = { readonly empty: number; readonly moved: number };

const MATCH = 0;
const FAIL = 1;

/** Null when it would have more states. Throws for references and looks, which are no part of automata. */
export function programOf(node: RegexNode, options: ProgramOptions): Program | null {
  const writer = new Writer(options);
  try {
    const first = writer.write(node, both(MATCH));
    return { states: writer.states, first, sets: writer.sets };
  } catch (error) {
    if (error === TOO_MANY) return null;
    throw error;
  }
}

const TOO_MANY = new Error('too many states');

const both = (next: number): Exits => ({ empty: next, moved: next });

type Repeat = RegexNode & { readonly kind: 'repeat' };

/** Written from the end: each part knows what comes behind it. */
class Writer {
  readonly states: State[] = [{ kind: 'match' }, { kind: 'fail' }];
  readonly sets: SetNode[] = [];
  readonly #options: ProgramOptions;
  readonly #setNumbers = new Map<SetNode, number>();

  constructor(options: ProgramOptions) {
    this.#options = options;
  }

  write(node: RegexNode, exits: Exits): number {
    switch (node.kind) {
      case 'empty':
        return exits.empty;
      case 'set':
        return this.#add({ kind: 'set', set: this.#setNumber(node), next: exits.moved });
      case 'start':
      case 'end':
      case 'boundary':
      case 'noBoundary':
        return this.#add({ kind: node.kind, next: exits.empty });
      case 'sequence':
        return this.#sequence(node.parts, exits);
      case 'choice':
        return this.#add({ kind: 'split', next: node.parts.map((one) => this.write(one, exits)) });
      case 'group':
        return this.#group(node, exits);
      case 'repeat':
        return this.#repeat(node, exits);
      case 'reference':
      case 'look':
        throw new Error('no automaton does this');
    }
  }

  #sequence(parts: readonly RegexNode[], exits: Exits): number {
    const taking = parts.findIndex((part) => !mayBeEmpty(part));
    let behind = exits;
    for (const [at, part] of [...parts.entries()].toReversed()) {
      behind = this.#before(part, behind, taking >= 0 && taking < at);
    }
    return behind.empty;
  }

  /** The part once for each way to come to it. */
  #before(part: RegexNode, behind: Exits, isAlwaysMoved: boolean): Exits {
    const moved = this.write(part, both(behind.moved));
    if (behind.empty === behind.moved) return both(moved);
    return { empty: isAlwaysMoved ? FAIL : this.write(part, behind), moved };
  }

  #group({ number, part }: RegexNode & { kind: 'group' }, exits: Exits): number {
    if (!this.#options.keepsCaptures) return this.write(part, exits);
    const closed = this.#each(exits, (next) => ({ kind: 'save', slot: 2 * number + 1, next }));
    return this.#add({ kind: 'save', slot: 2 * number, next: this.write(part, closed) });
  }

  #repeat(node: Repeat, exits: Exits): number {
    const { part, min, max } = node;
    let behind = exits;
    if (max === Number.POSITIVE_INFINITY) behind = this.#loop(node, exits);
    else {
      for (let round = min; round < max; round += 1) {
        behind = this.#choices(node, behind.moved, exits);
      }
    }
    const forgets = this.#forgets(part);
    for (let round = 0; round < min; round += 1) {
      behind = this.#before(part, behind, round < min - 1 && !mayBeEmpty(part));
      if (forgets !== null) behind = this.#each(behind, forgets);
    }
    return behind.empty;
  }

  #loop(node: Repeat, exits: Exits): Exits {
    const ways: number[] = [];
    const moved = this.#add({ kind: 'split', next: ways });
    ways.push(...this.#inOrder(node, this.#round(node, moved), exits.moved));
    if (exits.empty === exits.moved) return both(moved);
    return { empty: this.#choice(node, moved, exits.empty), moved };
  }

  /** One round more, or none. */
  #choices(node: Repeat, next: number, exits: Exits): Exits {
    return this.#each(exits, (exit) => ({
      kind: 'split',
      next: this.#inOrder(node, this.#round(node, next), exit),
    }));
  }

  #choice(node: Repeat, next: number, exit: number): number {
    return this.#choices(node, next, both(exit)).empty;
  }

  /** One round that nobody asks for: it takes something, where the order of ways matters. */
  #round({ part }: Repeat, next: number): number {
    if (!this.#options.keepsCaptures) return this.write(part, both(next));
    const first = this.write(part, { empty: FAIL, moved: next });
    const forgets = this.#forgets(part);
    return forgets === null ? first : this.#add(forgets(first));
  }

  #forgets(part: RegexNode): ((next: number) => State) | null {
    const groups = this.#options.keepsCaptures ? groupsOf(part) : [];
    return groups.length === 0 ? null : (next) => ({ kind: 'forget', groups, next });
  }

  #inOrder({ isLazy }: Repeat, round: number, exit: number): number[] {
    return isLazy ? [exit, round] : [round, exit];
  }

  #each({ empty, moved }: Exits, state: (next: number) => State): Exits {
    const afterMove = this.#add(state(moved));
    return empty === moved ? both(afterMove) : { empty: this.#add(state(empty)), moved: afterMove };
  }

  #add(state: State): number {
    if (this.states.length >= this.#options.statesMax) throw TOO_MANY;
    return this.states.push(state) - 1;
  }

  #setNumber(set: SetNode): number {
    const number = this.#setNumbers.get(set) ?? this.sets.push(set) - 1;
    this.#setNumbers.set(set, number);
    return number;
  }
}

/** Whether it may match without taking a character. */
function mayBeEmpty(node: RegexNode): boolean {
  switch (node.kind) {
    case 'set':
      return false;
    case 'sequence':
      return node.parts.every(mayBeEmpty);
    case 'choice':
      return node.parts.some(mayBeEmpty);
    case 'repeat':
      return node.min === 0 || mayBeEmpty(node.part);
    case 'group':
      return mayBeEmpty(node.part);
    default:
      return true;
  }
}
