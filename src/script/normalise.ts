/**
 * Replaces what differs from run to run - positions, transaction ids, folders - by names that do not, in the order of
 * their first appearance: equal texts get equal names, so a script still shows which positions are equal.
 */
import { type Place, ScriptError } from './errors.ts';
import type { Settings } from './types.ts';

/** Group 1 of each match, or all of it, becomes `<name><number>`; with a fixed name it becomes that. */
type Rule = { readonly pattern: RegExp; readonly name: string; readonly isFixed: boolean };

const RULES: Readonly<Record<string, Rule>> = {
  /** Positions, as Postgres prints them. */
  lsn: { pattern: /(?<![\w/])[0-9A-F]{1,8}\/[0-9A-F]{1,8}(?![\w/])/g, name: 'L', isFixed: false },
  /** Numbers after a word for a transaction id. */
  txid: {
    pattern: /\b(?:txid|xid|xmin|xmax|current_xmin|snapshot_xmin)["']?\s?[:=]?\s?["']?(\d+)/g,
    name: 'X',
    isFixed: false,
  },
  port: { pattern: /(?:127\.0\.0\.1|localhost|\[::1\]):(\d{2,5})\b/g, name: 'P', isFixed: false },
  duration: {
    pattern: /\b\d+(?:\.\d+)?\s?(?:ns|us|µs|ms|s|min|h)\b/g,
    name: '<duration>',
    isFixed: true,
  },
};

/** `temp` is a kind too: the folders of the run, which only the run knows. */
const KINDS: readonly string[] = [...Object.keys(RULES), 'temp'];

/** Names given to folders of a run. */
export type Folders = () => readonly string[];

export class Normaliser {
  readonly #rules: readonly Rule[];
  readonly #folders: Folders;
  readonly #names = new Map<string, string>();
  readonly #actuals = new Map<string, string>();
  readonly #counts = new Map<string, number>();

  private constructor(rules: readonly Rule[], folders: Folders) {
    this.#rules = rules;
    this.#folders = folders;
  }

  /** One for each run of a file. Throws `ScriptError` for a kind that is unknown. */
  static of({ normalise, mask }: Settings, place: Place, folders: Folders = () => []): Normaliser {
    const unknown = normalise.find((kind) => !KINDS.includes(kind));
    if (unknown !== undefined) {
      const remedy = `one of: ${KINDS.join(', ')}`;
      throw new ScriptError(place, `normalise=${unknown} is unknown`, remedy);
    }
    const rules = normalise.flatMap((kind) => RULES[kind] ?? []);
    const masks = mask.map((text) => maskRule(text, place));
    return new Normaliser([...masks, ...rules], normalise.includes('temp') ? folders : () => []);
  }

  /** `text` with names for what differs. */
  shown(text: string): string {
    // Longest first: a folder may lie in another one.
    const folders = [...this.#folders()].sort((a, b) => b.length - a.length);
    const withoutFolders = folders.reduce(
      (rest, folder) => rest.replaceAll(folder, '<TEMP>'),
      text,
    );
    return this.#rules.reduce((rest, rule) => this.#apply(rule, rest), withoutFolders);
  }

  /** What a name stands for in this run; undefined when it was not given yet. */
  actual(name: string): string | undefined {
    return this.#actuals.get(name);
  }

  #apply(rule: Rule, text: string): string {
    return text.replace(rule.pattern, (whole: string, ...groups: unknown[]) => {
      if (rule.isFixed) return rule.name;
      const found = typeof groups[0] === 'string' ? groups[0] : whole;
      const at = whole.lastIndexOf(found);
      return whole.slice(0, at) + this.#nameOf(rule, found) + whole.slice(at + found.length);
    });
  }

  #nameOf(rule: Rule, found: string): string {
    const key = `${rule.name} ${found}`;
    const known = this.#names.get(key);
    if (known !== undefined) return known;
    const count = (this.#counts.get(rule.name) ?? 0) + 1;
    this.#counts.set(rule.name, count);
    const name = `${rule.name}${count}`;
    this.#names.set(key, name);
    this.#actuals.set(name, found);
    return name;
  }
}

function maskRule(text: string, place: Place): Rule {
  const equals = text.indexOf('=');
  const name = text.slice(0, Math.max(0, equals));
  try {
    if (!/^[A-Z][A-Z0-9_]*$/i.test(name)) throw new Error('it has no name');
    return { pattern: new RegExp(text.slice(equals + 1), 'g'), name, isFixed: false };
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    const remedy = 'write mask=("D=[0-9a-f]{32}"): a name and a regular expression';
    throw new ScriptError(place, `mask ${JSON.stringify(text)}: ${why}`, remedy);
  }
}
