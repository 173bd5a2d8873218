/** A log as it is written: followed or paused, searched, linked to by line, in a window that moves over a file of any size. */
import type { JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { bytes } from '../format.ts';
import { Empty, Failure, Panel } from '../parts.tsx';
import { href, setQuery } from '../route.ts';
import { LogControls } from './log-controls.tsx';
import { LogLines } from './log-lines.tsx';
import type { LogFile } from './log-search.ts';
import './log.css';
import { type LogScroll, useLog } from './use-log.ts';

type LogViewProps = LogFile & {
  readonly isOpen: boolean;
  /** Of the address: where to begin. */
  readonly line: number | null;
  /** The line that a rule has named. */
  readonly named: number | null;
};

export function LogView({ testId, file, isOpen, line, named }: LogViewProps): JSX.Element {
  const [wanted, setWanted] = useState('');
  const log = useLog({ testId, file, isOpen, line });
  const { window, error } = log;
  const links = {
    href: (number: number) => href('test', { id: `${testId}`, file, line: `${number}` }),
    go: (number: number) => {
      setQuery({ file, line: `${number}` });
      if (number === line) log.toLine(number);
    },
  };
  const isEmpty = window.lines.length === 0 && window.rest === null;
  return (
    <Panel
      title="Log"
      note={
        file === '' ? undefined : (
          <>
            <code>{file}</code>, {bytes(window.size)}
          </>
        )
      }
      actions={
        isEmpty ? null : (
          <LogControls {...{ testId, file, log, wanted, setWanted, named }} go={links.go} />
        )
      }
    >
      {error === null ? null : <Failure error={error} />}
      {isEmpty ? (
        <Empty>{emptyText(file, isOpen)}</Empty>
      ) : (
        <Scroll log={log}>
          <LogLines {...{ window, links }} wanted={wanted.toLowerCase()} chosen={log.chosen} />
        </Scroll>
      )}
    </Panel>
  );
}

function emptyText(file: string, isOpen: boolean): string {
  if (file === '') return 'It has no log.';
  return isOpen ? 'Nothing is written yet.' : 'The log is empty.';
}

/** What lies before and behind the window comes as one scrolls there, and by button. */
function Scroll({ log, children }: { log: LogScroll; children: JSX.Element }): JSX.Element {
  const { window, holder, onScroll } = log;
  useEffect(() => {
    const element = holder.current;
    element?.addEventListener('scroll', onScroll, { passive: true });
    return () => element?.removeEventListener('scroll', onScroll);
  });
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a part that scrolls must be reached by keyboard
    <section class="scroll log" ref={holder} tabIndex={0} aria-label="Lines of the log">
      {window.from === 0 ? null : (
        <button type="button" class="more" onClick={log.earlier}>
          Earlier lines
        </button>
      )}
      {children}
      {log.isFollowing || window.to >= window.size || window.rest !== null ? null : (
        <button type="button" class="more" onClick={log.later}>
          Later lines
        </button>
      )}
    </section>
  );
}
