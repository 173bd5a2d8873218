/**
 * The commands that run an execution again as it ran: with what was given to its run, and with what the test itself has
 * recorded. A test that draws lots, or whose schedule is its own, records it as data of the category `reproduce`:
 * the variable `command` is a whole command; any other one is set in the environment.
 */
import type { DataRow, TestRow } from '../planner/rows.ts';
import { patternOfRow } from './results.ts';

const REPRODUCE = 'reproduce';
const COMMAND = 'command';

export type Reproduction = {
  /** Of the area, with prerequisites: a new run. */
  readonly run: string;
  /** As the test has recorded it, or null. */
  readonly own: string | null;
  /** In its work area, where that still is: the environment of its steps. */
  readonly byHand: string | null;
};

export type ReproduceFrom = {
  readonly row: Pick<TestRow, 'area' | 'name' | 'itemPath' | 'isToplevel' | 'runDir'>;
  readonly target: string;
  /** Without a value: it is asked of the shell that runs the command. */
  readonly setVars: readonly { readonly name: string; readonly value: string | null }[];
  readonly data: readonly Pick<DataRow, 'category' | 'variable' | 'value'>[];
};

export function reproductionOf({ row, target, setVars, data }: ReproduceFrom): Reproduction {
  const recorded = data.filter(({ category }) => category === REPRODUCE);
  const own = recorded.find(({ variable }) => variable === COMMAND)?.value ?? null;
  const drawn = recorded.filter(({ variable }) => /^[A-Za-z_]\w*$/.test(variable));
  const values = new Map<string, string | null>([
    ...setVars.map(({ name, value }) => [name, value] as const),
    ...drawn.flatMap(({ variable, value }) =>
      variable === COMMAND ? [] : ([[variable, value]] as const),
    ),
  ]);
  const words = ['--area', row.area, '--target', target, '--pattern', patternOfRow(row)];
  const variables = [...values].map(([name, value]) => `--set-var ${assignment(name, value)}`);
  const run = ['tidelock runs run', ...words.map(shellWord), ...variables].join(' ');
  const byHand = row.runDir === null ? null : `cd ${shellWord(row.runDir)} && . ./megatest.sh`;
  return { run, own, byHand };
}

function assignment(name: string, value: string | null): string {
  return value === null ? `${shellWord(name)}="$${name}"` : shellWord(`${name}=${value}`);
}

/** One word for a POSIX shell, whatever is in it. */
export function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
