/** The book of runs, for every page that shows runs. */
import { useEffect, useLayoutEffect, useState } from 'preact/hooks';
import { RunBook } from './book.ts';

const book = new RunBook();

/** Where the server has said with the page itself that there are runs, they are asked for before anything is drawn. */
export function startRuns(): void {
  if (document.documentElement.dataset.runs !== undefined) book.know(true);
}

/** Draws again when something changed. */
export function useRuns(): RunBook {
  const [, setVersion] = useState(book.version);
  useEffect(() => {
    setVersion(book.version); // it may have moved before anybody listened
    return book.subscribe(() => setVersion(book.version));
  }, []);
  return book;
}

/** The same, with the tests of these runs. */
export function useTestsOf(runIds: readonly number[]): RunBook {
  return useLoaded(runIds, (known, wanted) => known.load(wanted));
}

/** The same, with the cells of these runs in the grid. */
export function useGridOf(runIds: readonly number[]): RunBook {
  return useLoaded(runIds, (known, wanted) => known.loadGrid(wanted));
}

function useLoaded(
  runIds: readonly number[],
  load: (known: RunBook, wanted: readonly number[]) => () => void,
): RunBook {
  const known = useRuns();
  const wanted = known.isThere === true ? runIds.filter((id) => known.runs.has(id)) : [];
  // A new connection may be to a new history, and gives what could not be loaded another chance.
  // Before it is drawn: what is asked for is on its way meanwhile.
  useLayoutEffect(() => load(known, wanted), [wanted.join(' '), known.connection.kind]);
  return known;
}
