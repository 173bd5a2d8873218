/** The files that an execution has left: read as a log, or taken along; never shown as a page. */
import type { JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { WorkFile, WorkFiles } from '../../protocol/run-files.ts';
import { ApiError, saveFile, token } from '../api.ts';
import { useAsk } from '../ask.ts';
import { bytes, count, dateTime } from '../format.ts';
import { Empty, Failure, Panel, Table } from '../parts.tsx';
import { setQuery } from '../route.ts';

const SHOWN_MAX = 100;

/** `change`: moves when there may be others. */
export function Artifacts({ testId, change }: { testId: number; change: number }): JSX.Element {
  const { answer, error, again, isAsking } = useAsk<WorkFiles>(`/runs/v1/files?test=${testId}`);
  const [wanted, setWanted] = useState('');
  const seen = useRef(change);
  useEffect(() => {
    if (seen.current !== change) again();
    seen.current = change;
  }, [change]);
  const files = answer?.files ?? [];
  const found = files.filter(({ path }) => path.includes(wanted));
  const all = `${count(files.length)}${answer?.isCut === true ? ' and more' : ''}`;
  if (answer === null || !answer.isHere) {
    return (
      <Panel title="Files">
        {error === null ? (
          <Empty>{isAsking ? 'Reading…' : 'It has left no files on this host.'}</Empty>
        ) : (
          <Failure error={error} />
        )}
      </Panel>
    );
  }
  return (
    <Panel
      title="Files"
      note={`${all}, ${bytes(files.reduce((sum, file) => sum + file.bytes, 0))}`}
      actions={
        <label class="inline">
          <span class="note">Find</span>
          <input
            type="search"
            value={wanted}
            onInput={(event) => setWanted(event.currentTarget.value)}
          />
        </label>
      }
    >
      <Files testId={testId} files={found.slice(0, SHOWN_MAX)} />
      {found.length <= SHOWN_MAX ? null : (
        <p class="padded note">
          The first {SHOWN_MAX} of {count(found.length)}.
        </p>
      )}
    </Panel>
  );
}

function Files({ testId, files }: { testId: number; files: readonly WorkFile[] }): JSX.Element {
  return (
    <Table<WorkFile>
      caption="Files of the work area"
      rows={files}
      keyOf={({ path }) => path}
      empty="There is no such file."
      columns={[
        { title: 'File', cell: ({ path }) => path },
        { title: 'Size', isNumber: true, cell: ({ bytes: size }) => bytes(size) },
        { title: 'Changed', isMinor: true, cell: ({ changedAt }) => dateTime(changedAt) },
        {
          title: 'Look',
          cell: ({ path }) => (
            <span class="line">
              <button
                type="button"
                aria-label={`Read ${path}`}
                onClick={() => setQuery({ file: path, line: '' })}
              >
                Read
              </button>
              <Download testId={testId} path={path} />
            </span>
          ),
        },
      ]}
    />
  );
}

/** A link cannot carry a token: then the page fetches the file itself. */
function Download({ testId, path }: { testId: number; path: string }): JSX.Element {
  const [trouble, setTrouble] = useState('');
  const query = new URLSearchParams({ test: `${testId}`, file: path });
  const address = `/runs/v1/file?${query}`;
  const label = `Download ${path}`;
  if (token() === '') {
    return (
      <a href={address} download aria-label={label}>
        Download
      </a>
    );
  }
  const save = (): void => {
    setTrouble('');
    saveFile(address, path.split('/').at(-1) ?? 'file').catch((error: unknown) =>
      setTrouble(error instanceof ApiError ? error.message : String(error)),
    );
  };
  return (
    <>
      <button type="button" aria-label={label} onClick={save}>
        Download
      </button>
      <span class="note" role="status">
        {trouble}
      </span>
    </>
  );
}
