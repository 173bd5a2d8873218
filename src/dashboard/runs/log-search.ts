/** Searches in the whole of a log: the server looks through it part by part; what is added is looked through as well. */
import { useEffect, useState } from 'preact/hooks';
import type { LogFound, LogHit } from '../../protocol/run-files.ts';
import { ask } from '../api.ts';

/** More are not told: nobody looks at them one by one. */
export const HITS_MAX = 1000;
/** After the last key. */
const WAIT_MS = 250;

export type Found = {
  readonly hits: readonly LogHit[];
  /** How far it has come, of the whole file: 0 to 1. */
  readonly share: number;
  readonly isDone: boolean;
};

const NOTHING: Found = { hits: [], share: 0, isDone: true };

type Progress = { hits: LogHit[]; byte: number; line: number };

export type LogFile = { readonly testId: number; readonly file: string };

export function fileQuery({ testId, file }: LogFile): URLSearchParams {
  return new URLSearchParams({ test: `${testId}`, file });
}

/** Nothing is asked while `text` is empty. `size`: of the file as it is known; when it grows, the search goes on. */
export function useLogSearch(file: LogFile, text: string, size: number): Found {
  const [found, setFound] = useState(NOTHING);
  const [progress, setProgress] = useState<Progress>({ hits: [], byte: 0, line: 1 });
  useEffect(() => {
    setFound(text === '' ? NOTHING : { hits: [], share: 0, isDone: false });
    setProgress({ hits: [], byte: 0, line: 1 });
  }, [file.testId, file.file, text]);
  useEffect(() => {
    if (text === '') return;
    const abort = new AbortController();
    const timer = setTimeout(() => {
      searchOn({ file, text, size }, progress, { signal: abort.signal, tell: setFound }).catch(
        // What cannot be asked stays as it was; the log itself says what is wrong.
        () => undefined,
      );
    }, WAIT_MS);
    return () => {
      abort.abort();
      clearTimeout(timer);
    };
  }, [progress, size]);
  return text === '' ? NOTHING : found;
}

async function searchOn(
  { file, text, size }: { readonly file: LogFile; readonly text: string; readonly size: number },
  progress: Progress,
  { signal, tell }: { readonly signal: AbortSignal; readonly tell: (found: Found) => void },
): Promise<void> {
  let isEnd = false;
  while (!isEnd && progress.hits.length < HITS_MAX) {
    const query = fileQuery(file);
    for (const [name, value] of Object.entries({ text, from: progress.byte, line: progress.line }))
      query.set(name, `${value}`);
    const next = await ask<LogFound>(`/runs/v1/log/search?${query}`, signal);
    if (signal.aborted) return;
    // A last line without its end is looked at twice.
    const last = progress.hits.at(-1)?.byte ?? -1;
    progress.hits.push(...next.hits.filter(({ byte }) => byte > last));
    Object.assign(progress, { byte: next.byte, line: next.line });
    isEnd = next.isEnd;
    const share = size === 0 ? 1 : Math.min(1, next.byte / size);
    tell({ hits: [...progress.hits], share, isDone: isEnd });
  }
}

/** The first line that says that something went wrong, or null. */
export async function firstError(file: LogFile): Promise<LogHit | null> {
  let place = { byte: 0, line: 1 };
  for (;;) {
    const query = fileQuery(file);
    for (const [name, value] of Object.entries({ from: place.byte, line: place.line, limit: 1 }))
      query.set(name, `${value}`);
    const found = await ask<LogFound>(`/runs/v1/log/search?${query}`);
    const [hit] = found.hits;
    if (hit !== undefined) return hit;
    if (found.isEnd) return null;
    place = found;
  }
}
