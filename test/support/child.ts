/** A program in a process of its own: killed at any moment by a test, and never outliving it. */
import { Child as Program } from '../../src/bench/script/child.ts';

/** Tests have limits of their own: nobody calls a wait off. */
const NEVER = new AbortController().signal;

export class Child<News extends { readonly kind: string }> extends Program<News> {
  /** `settings` become the program's argument, as JSON. */
  constructor(program: URL, settings: object) {
    super({ program, settings, signal: NEVER });
  }
}
