/** The form that starts a run: what would run and why is shown first, then it is asked for. */
import type { JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { PlanAnswer, PlanWish } from '../../protocol/runs.ts';
import { ApiError, post } from '../api.ts';
import { Failure } from '../parts.tsx';
import { useRuns } from './hooks.ts';
import { PlanView } from './plan-view.tsx';

type Step =
  | { readonly kind: 'asking' }
  | { readonly kind: 'planning' }
  | { readonly kind: 'planned'; readonly wish: PlanWish; readonly answer: PlanAnswer }
  | { readonly kind: 'sending' }
  | { readonly kind: 'failed'; readonly error: ApiError };

export function NewRun(): JSX.Element {
  const [isOpen, setOpen] = useState(false);
  const home = useRuns().status?.replica?.home;
  return (
    <>
      <button
        type="button"
        disabled={home !== undefined}
        title={home === undefined ? undefined : `A replica, to look at: start runs on ${home}`}
        onClick={() => setOpen(true)}
      >
        New run
      </button>
      {isOpen ? <Form close={() => setOpen(false)} /> : null}
    </>
  );
}

/** The date and the time: `2026-11-22-1830`. */
function nameOfNow(): string {
  return new Date().toISOString().slice(0, 16).replace('T', '-').replace(':', '');
}

function Form({ close }: { close: () => void }): JSX.Element {
  const dialog = useRef<HTMLDialogElement>(null);
  const [step, setStep] = useState<Step>({ kind: 'asking' });
  const [name] = useState(nameOfNow);
  useEffect(() => dialog.current?.showModal(), []);
  const failed = (error: unknown): void => {
    const known = error instanceof ApiError ? error : new ApiError('PAGE', String(error), '');
    setStep({ kind: 'failed', error: known });
  };
  const plan = async (form: HTMLFormElement): Promise<void> => {
    const wish = wishOf(new FormData(form));
    setStep({ kind: 'planning' });
    await post<PlanAnswer>('/runs/v1/plan', wish).then(
      (answer) => setStep({ kind: 'planned', wish, answer }),
      failed,
    );
  };
  const start = async (wish: PlanWish): Promise<void> => {
    setStep({ kind: 'sending' });
    const args = { ...wish, rerun: { kind: 'none' } };
    await post('/runs/v1/tasks', { action: 'run', runId: null, testId: null, args }).then(
      close,
      failed,
    );
  };
  const isPlanned = step.kind === 'planned';
  return (
    <dialog ref={dialog} class="wide" onClose={close} aria-labelledby="new-run-title">
      <form
        onInput={() => setStep({ kind: 'asking' })}
        onSubmit={(event) => {
          event.preventDefault();
          void (isPlanned ? start(step.wish) : plan(event.currentTarget));
        }}
      >
        <h2 id="new-run-title" class="dialog-title">
          New run
        </h2>
        <Fields name={name} />
        {step.kind === 'failed' ? <Failure error={step.error} /> : null}
        {isPlanned ? <PlanView answer={step.answer} /> : null}
        <div class="choices">
          <button type="button" onClick={() => dialog.current?.close()}>
            Cancel
          </button>
          <button
            type="submit"
            class="strong"
            disabled={step.kind === 'planning' || step.kind === 'sending'}
          >
            {WORDS[step.kind]}
          </button>
        </div>
      </form>
    </dialog>
  );
}

const WORDS: Readonly<Record<Step['kind'], string>> = {
  ...{ asking: 'Show the plan', planning: 'Planning…', planned: 'Start the run' },
  ...{ sending: 'Sending…', failed: 'Show the plan' },
};

function Fields({ name }: { name: string }): JSX.Element {
  const fields = [
    ['target', 'Target', ''],
    ['name', 'Name of the run', name],
    ['pattern', 'Tests', '%'],
    ['tags', 'Only with tags', ''],
  ] as const;
  return (
    <div class="fieldset flat">
      {fields.map(([field, label, value]) => (
        <label key={field}>
          {label}
          <input name={field} defaultValue={value} autocomplete="off" spellcheck={false} />
        </label>
      ))}
    </div>
  );
}

function wishOf(form: FormData): PlanWish {
  const read = (name: string): string => String(form.get(name) ?? '').trim();
  const tags = read('tags');
  return {
    ...{ target: read('target'), name: read('name'), pattern: read('pattern') || '%' },
    tags: tags === '' ? null : tags,
  };
}
