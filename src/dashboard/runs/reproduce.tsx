/** The commands that run an execution again as it ran, to be copied. */
import type { JSX } from 'preact';
import { useRef, useState } from 'preact/hooks';
import type { DataRow, RunRow, TestRow } from '../../planner/rows.ts';
import type { ExecutionFacts } from '../../protocol/run-files.ts';
import { reproductionOf } from '../../report/reproduce.ts';
import { Panel } from '../parts.tsx';

type ReproduceProps = {
  readonly row: TestRow;
  readonly run: RunRow;
  readonly data: readonly DataRow[];
  readonly facts: ExecutionFacts | null;
};

export function Reproduce({ row, run, data, facts }: ReproduceProps): JSX.Element {
  const { target } = run;
  const commands = reproductionOf({ row, target, data, setVars: facts?.setVars ?? [] });
  return (
    <Panel title="Reproduce">
      <ul class="commands">
        {commands.own === null ? null : <Command says="As the test says" text={commands.own} />}
        <Command says="In a run of its own" text={commands.run} />
        {commands.byHand === null ? null : (
          <Command says="By hand, in its work area" text={commands.byHand} />
        )}
      </ul>
    </Panel>
  );
}

function Command({ says, text }: { readonly says: string; readonly text: string }): JSX.Element {
  const place = useRef<HTMLElement>(null);
  const [outcome, setOutcome] = useState('');
  const copy = async (): Promise<void> => {
    try {
      await navigator.clipboard.writeText(text);
      setOutcome('copied');
    } catch {
      // Browsers give the clipboard to secure pages only: the keyboard does the rest.
      if (place.current !== null) getSelection()?.selectAllChildren(place.current);
      setOutcome('selected: press Ctrl+C');
    }
  };
  return (
    <li>
      <span class="note">{says}</span>
      <code ref={place}>{text}</code>
      <button type="button" onClick={() => void copy()} aria-label={`Copy: ${says}`}>
        Copy
      </button>
      <span class="note" role="status">
        {outcome}
      </span>
    </li>
  );
}
