/** Unified differences of texts, line by line. */
import { linesOf } from './lines.ts';

const CONTEXT_LINES = 5;
/** Products of lengths above which the lines between the equal ends are shown as replaced. */
const CELLS_MAX = 4_000_000;

type Edit = { readonly mark: ' ' | '-' | '+'; readonly text: string };

export type DiffNames = {
  readonly file: string;
  /** The line of the file at which the expected text begins, from 1. */
  readonly line: number;
};

/** `--- file (expected)`, `+++ (actual)` and hunks. Empty when the texts are equal. */
export function unifiedDiff(expected: string, actual: string, { file, line }: DiffNames): string {
  if (expected === actual) return '';
  const edits = editsOf(linesOf(expected), linesOf(actual));
  const hunks = hunksOf(edits).map(({ from, to }) => hunkText(edits, from, to, line));
  return [`--- ${file} (expected)`, `+++ ${file} (actual)`, ...hunks, ''].join('\n');
}

/** White space at the end of a line, made visible. */
function shownLine(text: string): string {
  const end = /\s*$/.exec(text)?.[0] ?? '';
  const shown = end.replaceAll('\t', '→').replace(/[^→]/g, '·');
  return text.slice(0, text.length - end.length) + shown;
}

function editsOf(left: readonly string[], right: readonly string[]): Edit[] {
  let start = 0;
  while (start < left.length && start < right.length && left[start] === right[start]) start += 1;
  let end = 0;
  const shortest = Math.min(left.length, right.length) - start;
  while (end < shortest && left.at(-1 - end) === right.at(-1 - end)) end += 1;
  const kept = (text: string): Edit => ({ mark: ' ', text });
  return [
    ...left.slice(0, start).map(kept),
    ...middle(left.slice(start, left.length - end), right.slice(start, right.length - end)),
    ...left.slice(left.length - end).map(kept),
  ];
}

/** Edits by a longest common subsequence. */
function middle(left: readonly string[], right: readonly string[]): Edit[] {
  const replaced = [
    ...left.map((text): Edit => ({ mark: '-', text })),
    ...right.map((text): Edit => ({ mark: '+', text })),
  ];
  if (left.length * right.length > CELLS_MAX) return replaced;
  const common = lengths(left, right);
  const edits: Edit[] = [];
  let [l, r] = [0, 0];
  while (l < left.length && r < right.length) {
    if (left[l] === right[r]) {
      edits.push({ mark: ' ', text: left[l] ?? '' });
      [l, r] = [l + 1, r + 1];
    } else if ((common[l + 1]?.[r] ?? 0) >= (common[l]?.[r + 1] ?? 0)) {
      edits.push({ mark: '-', text: left[l++] ?? '' });
    } else edits.push({ mark: '+', text: right[r++] ?? '' });
  }
  edits.push(...left.slice(l).map((text): Edit => ({ mark: '-', text })));
  edits.push(...right.slice(r).map((text): Edit => ({ mark: '+', text })));
  return edits;
}

/** Lengths of the longest common subsequences of all pairs of tails. */
function lengths(left: readonly string[], right: readonly string[]): readonly Uint32Array[] {
  const table = Array.from({ length: left.length + 1 }, () => new Uint32Array(right.length + 1));
  for (let l = left.length - 1; l >= 0; l -= 1) {
    const [row, below] = [table[l], table[l + 1]];
    if (row === undefined || below === undefined) continue;
    for (let r = right.length - 1; r >= 0; r -= 1) {
      row[r] =
        left[l] === right[r] ? (below[r + 1] ?? 0) + 1 : Math.max(below[r] ?? 0, row[r + 1] ?? 0);
    }
  }
  return table;
}

type Hunk = { from: number; to: number };

function hunksOf(edits: readonly Edit[]): readonly Hunk[] {
  const hunks: Hunk[] = [];
  for (const [index, { mark }] of edits.entries()) {
    if (mark === ' ') continue;
    const from = Math.max(0, index - CONTEXT_LINES);
    const to = Math.min(edits.length, index + CONTEXT_LINES + 1);
    const last = hunks.at(-1);
    if (last !== undefined && from <= last.to) last.to = to;
    else hunks.push({ from, to });
  }
  return hunks;
}

function hunkText(edits: readonly Edit[], from: number, to: number, line: number): string {
  const before = edits.slice(0, from);
  const inside = edits.slice(from, to);
  const count = (list: readonly Edit[], without: string): number =>
    list.filter(({ mark }) => mark !== without).length;
  const left = `-${line + count(before, '+')},${count(inside, '+')}`;
  const right = `+${line + count(before, '-')},${count(inside, '-')}`;
  const rows = inside.map(({ mark, text }) => mark + shownLine(text));
  return [`@@ ${left} ${right} @@`, ...rows].join('\n');
}
