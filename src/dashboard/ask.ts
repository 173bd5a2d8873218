/** One question to the server, asked again when it changes; what was answered before stays until then. */
import { useEffect, useState } from 'preact/hooks';
import { ApiError, ask, onToken } from './api.ts';

export type Asked<T> = {
  readonly answer: T | null;
  readonly error: ApiError | null;
  readonly isAsking: boolean;
  /** Asks again. */
  readonly again: () => void;
};

/** Nothing is asked while `path` is null. */
export function useAsk<T>(path: string | null): Asked<T> {
  const [state, setState] = useState<Omit<Asked<T>, 'again'>>({
    ...{ answer: null, error: null, isAsking: path !== null },
  });
  const [round, setRound] = useState(0);
  const again = (): void => setRound((before) => before + 1);
  useEffect(() => onToken(again), []);
  useEffect(() => {
    if (path === null) {
      setState({ answer: null, error: null, isAsking: false });
      return;
    }
    const abort = new AbortController();
    setState(({ answer }) => ({ answer, error: null, isAsking: true }));
    ask<T>(path, abort.signal).then(
      (answer) => setState({ answer, error: null, isAsking: false }),
      (error: unknown) => {
        if (!abort.signal.aborted)
          setState({ answer: null, error: asApiError(error), isAsking: false });
      },
    );
    return () => abort.abort();
  }, [path, round]);
  return { ...state, again };
}

function asApiError(error: unknown): ApiError {
  return error instanceof ApiError ? error : new ApiError('PAGE', String(error), '');
}
