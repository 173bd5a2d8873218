/** The menu of a cell: places to go and actions to ask for. Arrows move in it, Escape leaves it. */
import type { JSX } from 'preact';
import { useEffect, useLayoutEffect, useRef } from 'preact/hooks';
import type { Wish } from './act.tsx';

export type MenuEntry = { readonly label: string } & (
  | { readonly to: string }
  | { readonly wish: Wish }
);

type CellMenuProps = {
  /** Of what. */
  readonly title: string;
  readonly entries: readonly MenuEntry[];
  readonly x: number;
  readonly y: number;
  readonly onWish: (wish: Wish) => void;
  readonly onClose: () => void;
};

const EDGE_PX = 8;
const STEPS: Readonly<Record<string, number>> = { ArrowDown: 1, ArrowUp: -1, Tab: 1 };

export function CellMenu({ title, entries, x, y, onWish, onClose }: CellMenuProps): JSX.Element {
  const menu = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    const element = menu.current;
    if (element === null) return;
    const { width, height } = element.getBoundingClientRect();
    element.style.left = `${Math.max(EDGE_PX, Math.min(x, innerWidth - width - EDGE_PX))}px`;
    element.style.top = `${Math.max(EDGE_PX, Math.min(y, innerHeight - height - EDGE_PX))}px`;
    element.querySelector<HTMLElement>('[role=menuitem]')?.focus();
  }, [x, y]);
  useEffect(() => {
    const leave = (event: Event): void => {
      if (event.target instanceof Node && menu.current?.contains(event.target)) return;
      onClose();
    };
    const leaveByKey = (event: KeyboardEvent): void => {
      if (event.key === 'Escape') onClose();
    };
    addEventListener('pointerdown', leave);
    addEventListener('keydown', leaveByKey);
    addEventListener('resize', onClose);
    return () => {
      removeEventListener('pointerdown', leave);
      removeEventListener('keydown', leaveByKey);
      removeEventListener('resize', onClose);
    };
  }, [onClose]);
  const onKeyDown = (event: KeyboardEvent): void => {
    const found = menu.current?.querySelectorAll<HTMLElement>('[role=menuitem]') ?? [];
    const items: readonly HTMLElement[] = [...found];
    const at = items.indexOf(document.activeElement as HTMLElement);
    const step = event.key === 'Tab' && event.shiftKey ? -1 : STEPS[event.key];
    if (event.key === 'Home') items[0]?.focus();
    else if (event.key === 'End') items.at(-1)?.focus();
    else if (step !== undefined) items[(at + step + items.length) % items.length]?.focus();
    else return;
    event.preventDefault();
  };
  return (
    <div class="menu" role="menu" aria-label={title} tabIndex={-1} ref={menu} onKeyDown={onKeyDown}>
      {entries.map((entry) =>
        'to' in entry ? (
          <a key={entry.label} role="menuitem" tabIndex={-1} href={entry.to} onClick={onClose}>
            {entry.label}
          </a>
        ) : (
          <button
            key={entry.label}
            {...{ type: 'button', role: 'menuitem', tabIndex: -1 }}
            onClick={() => onWish(entry.wish)}
          >
            {entry.label}
          </button>
        ),
      )}
    </div>
  );
}
