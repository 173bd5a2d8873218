/** A table of very many rows: only those in sight are drawn, all of one height. */
import type { ComponentChildren, JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';

const ROW_PX = 30;
/** Rows drawn above and below what is in sight. */
const MARGIN_ROWS = 8;

type VirtualProps = {
  readonly caption: string;
  readonly rowCount: number;
  readonly columnCount: number;
  readonly head: ComponentChildren;
  readonly row: (index: number) => ComponentChildren;
};

/** `row` gives a `tr` for each index in sight. The part scrolls by itself, and fills what the window leaves. */
export function VirtualTable(props: VirtualProps): JSX.Element {
  const holder = useRef<HTMLElement>(null);
  const [view, setView] = useState({ top: 0, height: 600 });
  useEffect(() => {
    const element = holder.current;
    if (element === null) return;
    const look = (): void => setView({ top: element.scrollTop, height: element.clientHeight });
    look();
    element.addEventListener('scroll', look, { passive: true });
    const sizes = new ResizeObserver(look);
    sizes.observe(element);
    return () => {
      element.removeEventListener('scroll', look);
      sizes.disconnect();
    };
  }, []);
  const first = Math.max(0, Math.floor(view.top / ROW_PX) - MARGIN_ROWS);
  const shown = Math.ceil(view.height / ROW_PX) + 2 * MARGIN_ROWS;
  const end = Math.min(props.rowCount, first + shown);
  const indexes = Array.from({ length: Math.max(0, end - first) }, (_, at) => first + at);
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a part that scrolls must be reached by keyboard
    <section class="scroll tall" ref={holder} tabIndex={0} aria-label={props.caption}>
      <table class="grid" aria-rowcount={props.rowCount + 1}>
        <caption>{props.caption}</caption>
        <thead>{props.head}</thead>
        <tbody>
          <Spacer rows={first} columns={props.columnCount} />
          {indexes.map((index) => props.row(index))}
          <Spacer rows={props.rowCount - end} columns={props.columnCount} />
        </tbody>
      </table>
    </section>
  );
}

function Spacer({ rows, columns }: { rows: number; columns: number }): JSX.Element | null {
  if (rows <= 0) return null;
  return (
    <tr class="spacer" style={{ height: `${rows * ROW_PX}px` }}>
      <td colSpan={columns} />
    </tr>
  );
}
