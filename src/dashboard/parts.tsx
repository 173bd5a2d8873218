/** Small parts that every page is made of. */
import type { ComponentChildren, JSX } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import type { ApiError } from './api.ts';

export type Tone = 'good' | 'warn' | 'bad' | 'idle';

/** Shapes differ too, so that nobody needs the colours. */
const GLYPHS: Readonly<Record<Tone, string>> = { good: '●', warn: '▲', bad: '■', idle: '○' };

export function Badge({
  tone,
  children,
}: {
  tone: Tone;
  children: ComponentChildren;
}): JSX.Element {
  return (
    <span class={`badge ${tone}`}>
      <span aria-hidden="true">{GLYPHS[tone]}</span> {children}
    </span>
  );
}

type PanelProps = {
  readonly title: string;
  readonly note?: ComponentChildren;
  readonly actions?: ComponentChildren;
  readonly children: ComponentChildren;
  readonly wide?: boolean;
};

/** A titled part of a page. */
export function Panel({ title, note, actions, children, wide }: PanelProps): JSX.Element {
  const name = title.toLowerCase().replaceAll(/[^a-z]+/g, '-');
  const id = `panel-${name}`;
  const place = useRef<HTMLElement>(null);
  // `?part=log` in the address: the page opens there.
  useEffect(() => {
    if (new URLSearchParams(location.search).get('part') === name) place.current?.scrollIntoView();
  }, []);
  return (
    <section ref={place} class={wide === true ? 'panel wide' : 'panel'} aria-labelledby={id}>
      <header>
        <h2 id={id}>{title}</h2>
        {note === undefined ? null : <p class="note">{note}</p>}
        {actions === undefined ? null : <div class="actions">{actions}</div>}
      </header>
      {children}
    </section>
  );
}

/** A number with its name. */
export function Stat({
  name,
  children,
}: {
  name: string;
  children: ComponentChildren;
}): JSX.Element {
  return (
    <div class="stat">
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

export type Column<Row> = {
  readonly title: string;
  readonly cell: (row: Row) => ComponentChildren;
  /** Numbers stand on the right. */
  readonly isNumber?: boolean;
  /** Left out where there is little room. */
  readonly isMinor?: boolean;
};

type TableProps<Row> = {
  /** For screen readers. */
  readonly caption: string;
  readonly columns: readonly Column<Row>[];
  readonly rows: readonly Row[];
  readonly keyOf: (row: Row) => string;
  readonly isChosen?: (row: Row) => boolean;
  /** Said when there are no rows. */
  readonly empty: ComponentChildren;
};

export function Table<Row>({
  caption,
  columns,
  rows,
  keyOf,
  isChosen,
  empty,
}: TableProps<Row>): JSX.Element {
  if (rows.length === 0) return <Empty>{empty}</Empty>;
  const classOf = ({ isNumber, isMinor }: Column<Row>): string =>
    [isNumber === true ? 'number' : '', isMinor === true ? 'minor' : ''].join(' ').trim();
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a part that scrolls must be reached by keyboard
    <section class="scroll" tabIndex={0} aria-label={caption}>
      <table>
        <caption>{caption}</caption>
        <thead>
          <tr>
            {columns.map((column) => (
              <th key={column.title} scope="col" class={classOf(column)}>
                {column.title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={keyOf(row)} aria-current={isChosen?.(row) === true ? 'true' : undefined}>
              {columns.map((column) => (
                <td key={column.title} class={classOf(column)}>
                  {column.cell(row)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

export function Empty({ children }: { children: ComponentChildren }): JSX.Element {
  return <p class="empty">{children}</p>;
}

export function Failure({ error }: { error: ApiError }): JSX.Element {
  return (
    <div class="failure" role="alert">
      <strong>{error.message}</strong>
      {error.hint === '' ? null : <p>{error.hint}</p>}
      <p class="code">{error.code}</p>
    </div>
  );
}

/** A share as a bar; the text beside it says the same. */
export function Bar({ share }: { share: number }): JSX.Element {
  const width = Math.max(0, Math.min(1, share)) * 100;
  return (
    <span class="bar" aria-hidden="true">
      <span style={{ width: `${width}%` }} />
    </span>
  );
}
