/** Puts what a run has shown into the file; every other byte stays. */
import { ScriptError } from './errors.ts';
import { blockOf } from './fence.ts';
import { endingOf, joinLines } from './lines.ts';
import type { CaseResult } from './run.ts';
import type { Case, Line, Script } from './types.ts';

/** The new text of the file. Cases that passed, were not run or broke keep theirs. */
export function rewriteScript(script: Script, results: readonly CaseResult[]): string {
  const end = endingOf(script.lines);
  const lines: Line[] = [];
  let from = 0;
  for (const result of results) {
    if (result.kind !== 'differs') continue;
    const { block } = result.case;
    lines.push(...script.lines.slice(from, block.from));
    const written = expressed(script, result.case, result.output);
    lines.push(...written.map((text) => ({ text, end })));
    from = block.to;
  }
  return joinLines([...lines, ...script.lines.slice(from)]);
}

function expressed({ dialect }: Script, { place }: Case, output: string): readonly string[] {
  const block = blockOf(output, dialect);
  if (block !== null) return block;
  const remedy = 'add the line "#: dialect=strict" to the top of the file';
  throw new ScriptError(place, `the ${dialect} dialect cannot express this output`, remedy);
}
