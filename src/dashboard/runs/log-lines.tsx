/** The lines of a window on a log, as they are drawn: numbers that are links, colours of terminals, never HTML. */
import { Component, type JSX } from 'preact';
import { isErrorLine, plainLine } from '../../protocol/log-lines.ts';
import { partsOf } from './ansi.ts';
import { type LogWindow, numbersOf } from './log-window.ts';

export type LineLinks = {
  readonly href: (line: number) => string;
  readonly go: (line: number) => void;
};

type LogLinesProps = {
  readonly window: LogWindow;
  /** Searched for; lines that have it are marked. */
  readonly wanted: string;
  /** The byte at which the line begins that was jumped to. */
  readonly chosen: number | null;
  readonly links: LineLinks;
};

export function LogLines({ window, wanted, chosen, links }: LogLinesProps): JSX.Element {
  const numbers = numbersOf(window);
  const last = numbers.findLast((number) => number !== null) ?? window.first;
  const restNumber = last === null || window.rest?.isPart !== false ? null : last + 1;
  const lines = window.lines.map((line, at) => [line, numbers[at] ?? null] as const);
  const all = window.rest === null ? lines : [...lines, [window.rest, restNumber] as const];
  return (
    <ol>
      {all.map(([{ byte, text }, number]) => (
        <Line
          key={byte}
          {...{ byte, text, number, links }}
          isHit={wanted !== '' && plainLine(text).toLowerCase().includes(wanted)}
          isChosen={byte === chosen}
        />
      ))}
    </ol>
  );
}

type LineProps = {
  readonly byte: number;
  readonly text: string;
  readonly number: number | null;
  readonly isHit: boolean;
  readonly isChosen: boolean;
  readonly links: LineLinks;
};

/** Drawn again only when it has changed: a window has thousands of lines, and moves by a few. */
class Line extends Component<LineProps> {
  override shouldComponentUpdate(next: LineProps): boolean {
    const { text, number, isHit, isChosen } = this.props;
    return (
      next.text !== text ||
      next.number !== number ||
      next.isHit !== isHit ||
      next.isChosen !== isChosen
    );
  }

  override render(): JSX.Element {
    const { byte, text, number, isHit, isChosen, links } = this.props;
    const marks = [isHit ? 'hit' : isErrorLine(text) ? 'wrong' : '', isChosen ? 'chosen' : ''];
    return (
      <li data-byte={byte} class={marks.join(' ').trim()}>
        {number === null ? <span class="number" /> : <LineNumber {...{ number, links }} />}
        {partsOf(text).map((part, place) => (
          <span key={place} class={part.classes}>
            {part.text}
          </span>
        ))}
      </li>
    );
  }
}

/** For the mouse; with the keyboard, the field Line does the same. */
function LineNumber({ number, links }: { number: number; links: LineLinks }): JSX.Element {
  return (
    <a
      class="number"
      tabIndex={-1}
      href={links.href(number)}
      onClick={(event) => {
        event.preventDefault();
        links.go(number);
      }}
    >
      {number}
    </a>
  );
}
