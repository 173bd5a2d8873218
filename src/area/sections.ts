/** Sections under construction. */
import { unfit } from './errors.ts';
import { ENTRIES_MAX } from './limits.ts';
import { compileRegex } from './regex.ts';
import type { Entry, Section } from './types.ts';

export class Sections {
  /** A Map keeps the order of insertion: deleting first moves a key to the end. */
  readonly #sections = new Map<string, Map<string, Entry>>();
  #entries = 0;

  constructor(names: readonly string[]) {
    for (const name of names) this.open(name);
  }

  open(name: string): void {
    if (!this.#sections.has(name)) this.#sections.set(name, new Map());
  }

  get(section: string, key: string): string | null {
    return this.#sections.get(section)?.get(key)?.value ?? null;
  }

  /** A key that is there already gets the new value and moves to the end. */
  put(section: string, entry: Entry): void {
    this.open(section);
    const entries = this.#sections.get(section);
    const isKnown = entries?.delete(entry.key) === true;
    entries?.set(entry.key, entry);
    if (isKnown) return;
    this.#entries += 1;
    if (this.#entries > ENTRIES_MAX) {
      throw unfit(`a configuration has more than ${ENTRIES_MAX} entries`, entry.origin);
    }
  }

  /** What a wildcard section says for which sections; the section itself is gone. Empty for any other. */
  takeWildcard(name: string): readonly { readonly section: string; readonly entry: Entry }[] {
    const entries = [...(this.#sections.get(name)?.values() ?? [])];
    const pattern = wildcardOf(name);
    if (pattern === null) return [];
    this.#sections.delete(name);
    const origin = entries[0]?.origin ?? { file: name, line: 1 };
    const regex = compileRegex({ source: pattern, flags: '' }, origin);
    const matching = [...this.#sections.keys()].filter((section) => regex.test(section));
    return matching.flatMap((section) => entries.map((entry) => ({ section, entry })));
  }

  all(): ReadonlyMap<string, Section> {
    const sections = [...this.#sections].map(
      ([name, entries]) => [name, { name, entries: [...entries.values()] }] as const,
    );
    return new Map(sections);
  }
}

/** `a/%/b` and `/regex/` name many sections; null: one. */
export function wildcardOf(name: string): string | null {
  if (name.length > 2 && name.startsWith('/') && name.endsWith('/')) return name.slice(1, -1);
  if (!name.includes('%')) return null;
  const parts = name.split('%').map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  return `^${parts.join('.*')}$`;
}
