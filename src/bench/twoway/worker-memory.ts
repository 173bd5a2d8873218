/** What a later life of a database knows of the lives before it: all that its history says. */
import { type HistoryLine, readHistory } from './history.ts';
import { type Shown, stretchesOf, withChanges } from './rows.ts';

type WriteLine = HistoryLine & { readonly k: 'write' };

export type Recalled = {
  /** As it was seen last. */
  readonly shown: Shown;
  /** The last write, when nobody knows what became of it. */
  readonly open: WriteLine | null;
  /** The step of the last write, when it is known to be committed. */
  readonly doneStep: number | null;
  readonly rejected: readonly number[];
};

export function recall(path: string): Recalled {
  let shown: Shown = new Map();
  let open: WriteLine | null = null;
  let doneStep: number | null = null;
  const rejected: number[] = [];
  for (const line of readHistory(path)) {
    if (line.k === 'read') shown = withChanges(shown, line.changed);
    if (line.k === 'write') open = line;
    if (line.k === 'rejected') rejected.push(line.write);
    if (line.k !== 'outcome') continue;
    doneStep = line.isDone ? (open?.step ?? doneStep) : null;
    open = null;
  }
  return { shown, open, doneStep, rejected };
}

/** True when what is shown has the write: its stamp in some cell, or for a deletion nothing of its rows. */
export function showsWrite({ write, parts }: WriteLine, shown: Shown): boolean {
  for (const segments of shown.values()) {
    if (segments.some(([, , text, number]) => text === write || number === write)) return true;
  }
  const deleted = parts.filter(({ kind }) => kind === 'delete');
  if (deleted.length < parts.length || deleted.length === 0) return false;
  return deleted.every(({ rows }) =>
    Object.entries(rows).every(([batch, ranges]) => {
      const gone = ranges.map(([from, to]) => [from, to, 0, 0] as const);
      for (const { left, right } of stretchesOf(gone, shown.get(batch) ?? [])) {
        if (left !== null && right !== null) return false;
      }
      return true;
    }),
  );
}
