/** Actions: asked for by a button, confirmed in words, queued by the server; what the server refuses is said. */
import type { ComponentChildren, JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { Action, RunRow } from '../../planner/rows.ts';
import { ApiError, post } from '../api.ts';
import { Failure } from '../parts.tsx';
import { useRuns } from './hooks.ts';

export type Wish = {
  readonly action: Action;
  /** What will happen, as a sentence. */
  readonly says: string;
  readonly button: string;
  readonly runId: number | null;
  readonly testId: number | null;
  readonly args: Readonly<Record<string, unknown>>;
  /** Asked of the person, and put into `args`. */
  readonly asks?: readonly Question[];
};

export type Question = {
  readonly name: string;
  readonly label: string;
  readonly value: string;
  readonly options?: readonly string[];
  /** Where in `args` the answer goes; by default under its name. */
  readonly put?: (args: Record<string, unknown>, answer: string) => void;
};

/** Args of an action on a run; `%` is every test of it. */
export function argsFor(
  run: Pick<RunRow, 'target' | 'name'>,
  pattern = '%',
): Record<string, unknown> {
  return { target: run.target, name: run.name, pattern };
}

type ActionButtonProps = {
  readonly wish: Wish;
  /** Why it cannot be asked for; null: it can. */
  readonly refusal?: string | null;
  /** For those who do not see what stands beside it. */
  readonly label?: string;
  readonly children: ComponentChildren;
};

export function ActionButton({
  wish,
  refusal = null,
  label,
  children,
}: ActionButtonProps): JSX.Element {
  const [isOpen, setOpen] = useState(false);
  const away = useAway();
  const why = away ?? refusal;
  return (
    <>
      <button
        type="button"
        disabled={why !== null}
        title={why ?? undefined}
        aria-label={label}
        onClick={() => setOpen(true)}
      >
        {children}
      </button>
      {isOpen ? <Confirm wish={wish} close={() => setOpen(false)} /> : null}
    </>
  );
}

/** Off the home host nobody acts: said in words; null at home. */
export function useAway(): string | null {
  const home = useRuns().status?.replica?.home;
  return home === undefined ? null : `A replica, to look at: act on ${home}`;
}

type Outcome =
  | { readonly kind: 'asking' | 'sending' | 'queued' }
  | { readonly kind: 'failed'; readonly error: ApiError };

export function Confirm({ wish, close }: { wish: Wish; close: () => void }): JSX.Element {
  const dialog = useRef<HTMLDialogElement>(null);
  const [outcome, setOutcome] = useState<Outcome>({ kind: 'asking' });
  useEffect(() => dialog.current?.showModal(), []);
  const send = async (form: HTMLFormElement): Promise<void> => {
    setOutcome({ kind: 'sending' });
    try {
      await post('/runs/v1/tasks', taskOf(wish, new FormData(form)));
      setOutcome({ kind: 'queued' });
      close();
    } catch (error) {
      const known = error instanceof ApiError ? error : new ApiError('PAGE', String(error), '');
      setOutcome({ kind: 'failed', error: known });
    }
  };
  return (
    <dialog ref={dialog} onClose={close} aria-labelledby="confirm-title">
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void send(event.currentTarget);
        }}
      >
        <h2 id="confirm-title" class="dialog-title">
          {wish.button}
        </h2>
        <p>{wish.says}</p>
        {(wish.asks ?? []).map((question) => (
          <Answer key={question.name} question={question} />
        ))}
        {outcome.kind === 'failed' ? <Failure error={outcome.error} /> : null}
        <div class="choices">
          <button type="button" onClick={() => dialog.current?.close()}>
            Cancel
          </button>
          <button type="submit" class="strong" disabled={outcome.kind === 'sending'}>
            {outcome.kind === 'sending' ? 'Sending…' : wish.button}
          </button>
        </div>
      </form>
    </dialog>
  );
}

function Answer({
  question: { name, label, value, options },
}: {
  question: Question;
}): JSX.Element {
  return (
    <div class="answer">
      <label for={`ask-${name}`}>{label}</label>
      {options === undefined ? (
        <input id={`ask-${name}`} name={name} defaultValue={value} autocomplete="off" />
      ) : (
        <select id={`ask-${name}`} name={name}>
          {options.map((option) => (
            <option key={option} value={option} selected={option === value}>
              {option}
            </option>
          ))}
        </select>
      )}
    </div>
  );
}

function taskOf({ action, runId, testId, args, asks = [] }: Wish, form: FormData): object {
  const filled: Record<string, unknown> = { ...args };
  for (const { name, put } of asks) {
    const answer = String(form.get(name) ?? '').trim();
    if (put === undefined) filled[name] = answer;
    else put(filled, answer);
  }
  return { action, runId, testId, args: filled };
}
