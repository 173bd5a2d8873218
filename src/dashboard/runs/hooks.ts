/** The book of runs, for every page that shows runs. */
import { useEffect, useState } from 'preact/hooks';
import { RunBook } from './book.ts';

const book = new RunBook();

/** Draws again when something changed. */
export function useRuns(): RunBook {
  const [, setVersion] = useState(book.version);
  useEffect(() => book.subscribe(() => setVersion(book.version)), []);
  return book;
}

/** The same, with the tests of these runs. */
export function useTestsOf(runIds: readonly number[]): RunBook {
  const known = useRuns();
  const wanted = known.isThere === true ? runIds.filter((id) => known.runs.has(id)) : [];
  // A new connection may be to a new history, and gives what could not be loaded another chance.
  useEffect(
    () => void known.load(wanted).catch(() => undefined),
    [wanted.join(' '), known.connection.kind],
  );
  return known;
}
