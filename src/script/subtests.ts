/** `subtest NAME` ... `subtest end [NAME]` of the go dialect: they must nest, and names must say so. */
import type { Directive } from './directive.ts';
import { type Place, ScriptError } from './errors.ts';
import type { Content } from './types.ts';

export class SubtestNesting {
  readonly #open: { readonly name: string; readonly place: Place }[] = [];

  /** A mark is taken in. Throws `ScriptError` when it does not fit. */
  read({ args }: Directive, place: Place): Content & { kind: 'subtest' } {
    const [first, second] = args.map(({ key }) => key);
    if (first === undefined) throw new ScriptError(place, 'a subtest without a name', 'name it');
    return first === 'end' ? this.#end(second, place) : this.#begin(first, place);
  }

  #begin(name: string, place: Place): Content & { kind: 'subtest' } {
    const parent = this.#open.at(-1);
    if (parent !== undefined && !name.startsWith(`${parent.name}/`)) {
      const remedy = `call it ${parent.name}/${name}`;
      throw new ScriptError(place, `subtest ${name} is inside of ${parent.name}`, remedy);
    }
    this.#open.push({ name, place });
    return { kind: 'subtest', isEnd: false, name };
  }

  #end(name: string | undefined, place: Place): Content & { kind: 'subtest' } {
    const open = this.#open.pop();
    if (open === undefined) {
      throw new ScriptError(place, 'the end of a subtest that did not begin', 'remove the line');
    }
    if (name !== undefined && name !== open.name) {
      const remedy = `write: subtest end ${open.name}`;
      throw new ScriptError(place, `${name} ends, but ${open.name} is open`, remedy);
    }
    return { kind: 'subtest', isEnd: true, name: open.name };
  }

  /** The file is at its end. */
  finish(): void {
    const open = this.#open.at(-1);
    if (open === undefined) return;
    throw new ScriptError(open.place, `subtest ${open.name} has no end`, 'add: subtest end');
  }
}
