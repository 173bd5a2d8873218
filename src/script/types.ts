/** What a script consists of. docs/scripts.md has the format in words. */
import type { Place } from './errors.ts';

/** `strict` is ours; `go` and `rust` read the files of the two datadriven libraries as those do. */
export type Dialect = 'strict' | 'go' | 'rust';

export const DIALECTS: readonly Dialect[] = ['strict', 'go', 'rust'];

/** `key` is a flag, `key=text` a value, `key=(a, b)` a list. */
export type Argument =
  | { readonly kind: 'flag'; readonly key: string }
  | { readonly kind: 'value'; readonly key: string; readonly value: string }
  | { readonly kind: 'list'; readonly key: string; readonly values: readonly string[] };

/** What a file says, without where it says it. */
export type Content =
  | { readonly kind: 'comment'; readonly text: string }
  | { readonly kind: 'subtest'; readonly isEnd: boolean; readonly name: string }
  | CaseContent;

export type CaseContent = {
  readonly kind: 'case';
  readonly command: string;
  readonly args: readonly Argument[];
  /** Lines above the separator, each with its newline; empty when there are none. */
  readonly input: string;
  /** Likewise the lines below it. Only the rust dialect can express text without a final newline. */
  readonly expected: string;
};

/** Line numbers from 0, `to` excluded. */
export type LineRange = { readonly from: number; readonly to: number };

export type Case = CaseContent & {
  readonly place: Place;
  /** Where each argument stands, in their order. */
  readonly argPlaces: readonly Place[];
  /** Separator, expected output and closing fence: what a rewrite replaces. */
  readonly block: LineRange;
};

export type Item = Exclude<Content, CaseContent> | Case;

export type LineEnd = '' | '\n' | '\r\n';

export type Line = { readonly text: string; readonly end: LineEnd };

/** What the header (`#: key=value ...` lines before the first case) says. */
export type Settings = {
  readonly world: string | undefined;
  readonly profile: string | undefined;
  readonly dialect: Dialect | undefined;
  /** `own`: the file has a Postgres for itself, which it may kill. */
  readonly postgres?: 'own' | undefined;
  /** Names of kinds of text that differ from run to run: see normalise.ts. */
  readonly normalise: readonly string[];
  /** More of them, as `NAME=REGULAR-EXPRESSION`. */
  readonly mask: readonly string[];
};

export type Script = {
  /** As it is called in messages: usually the path. */
  readonly file: string;
  readonly dialect: Dialect;
  readonly settings: Settings;
  readonly lines: readonly Line[];
  readonly items: readonly Item[];
  readonly cases: readonly Case[];
};
