/** What is around every page: the list of pages, the state of the connection, the theme, the token. */
import type { ComponentChildren, JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { setToken, token } from './api.ts';
import { clockTime } from './format.ts';
import type { LiveState } from './live.ts';
import { Badge, Failure } from './parts.tsx';
import { href } from './route.ts';
import { setTheme, THEMES, type Theme, theme } from './theme.ts';

export type PageEntry = {
  readonly path: string;
  readonly title: string;
  /** Hidden ones are reached from others. */
  readonly group: 'Engine' | 'Runs' | 'hidden';
};

type ShellProps = {
  readonly pages: readonly PageEntry[];
  readonly current: PageEntry;
  readonly live: LiveState;
  readonly children: ComponentChildren;
};

export function Shell({ pages, current, live, children }: ShellProps): JSX.Element {
  useEffect(() => {
    document.title = `${current.title} · Tidelock`;
  }, [current]);
  return (
    <div class="shell">
      <a class="skip" href="#main">
        Skip to the page
      </a>
      <Side pages={pages} current={current} />
      <div class="body">
        <header class="top">
          <h1>{current.title}</h1>
          <ConnectionBadge live={live} />
          <ThemeChoice />
        </header>
        <main id="main" tabIndex={-1}>
          <Notice live={live} />
          {children}
        </main>
      </div>
    </div>
  );
}

function Side({
  pages,
  current,
}: {
  pages: readonly PageEntry[];
  current: PageEntry;
}): JSX.Element {
  return (
    <nav class="side" aria-label="Pages">
      <a class="brand" href={href('')}>
        <img src="/dashboard/icon.svg" alt="" width="22" height="22" /> Tidelock
      </a>
      {(['Runs', 'Engine'] as const).map((group) => (
        <Group
          key={group}
          title={group}
          pages={pages.filter((page) => page.group === group)}
          current={current}
        />
      ))}
    </nav>
  );
}

type GroupProps = {
  readonly title: string;
  readonly pages: readonly PageEntry[];
  readonly current: PageEntry;
};

function Group({ title, pages, current }: GroupProps): JSX.Element | null {
  if (pages.length === 0) return null;
  return (
    <ul aria-label={title}>
      {pages.map((page) => (
        <li key={page.path}>
          <a href={href(page.path)} aria-current={page === current ? 'page' : undefined}>
            {page.title}
          </a>
        </li>
      ))}
    </ul>
  );
}

function ConnectionBadge({ live }: { live: LiveState }): JSX.Element {
  const { kind } = live.connection;
  const words = {
    live: 'live',
    connecting: 'connecting',
    waiting: 'reconnecting',
    refused: 'token needed',
  };
  const tone = kind === 'live' ? 'good' : kind === 'refused' ? 'bad' : 'warn';
  return (
    <span role="status" data-testid="connection">
      <Badge tone={tone}>{words[kind]}</Badge>
    </span>
  );
}

function ThemeChoice(): JSX.Element {
  const [chosen, setChosen] = useState(theme);
  return (
    <label class="theme">
      <span>Theme</span>
      <select
        value={chosen}
        onChange={(event) => {
          const name = event.currentTarget.value as Theme;
          setTheme(name);
          setChosen(name);
        }}
      >
        {THEMES.map((name) => (
          <option key={name} value={name}>
            {name}
          </option>
        ))}
      </select>
    </label>
  );
}

/** Why there is nothing, or nothing new, to see. */
function Notice({ live }: { live: LiveState }): JSX.Element | null {
  const { connection, view, heardAtMs } = live;
  if (connection.kind === 'refused') {
    return (
      <>
        <Failure error={connection.error} />
        <TokenForm />
      </>
    );
  }
  if (connection.kind === 'waiting') {
    const known =
      view === null ? 'Nothing is known yet.' : `What is shown is of ${clockTime(heardAtMs)}.`;
    return (
      <div class="banner" role="alert">
        <strong>Not connected:</strong> {connection.reason}. {known} Trying again.
      </div>
    );
  }
  return view === null ? <p class="empty">Connecting to the server…</p> : null;
}

function TokenForm(): JSX.Element {
  const [text, setText] = useState(token);
  return (
    <form
      class="token"
      onSubmit={(event) => {
        event.preventDefault();
        setToken(text.trim());
      }}
    >
      <label for="token">Token</label>
      <input
        {...{ id: 'token', type: 'password', autocomplete: 'off', spellcheck: false, value: text }}
        aria-describedby="token-note"
        onInput={(event) => setText(event.currentTarget.value)}
      />
      <button type="submit">Use this token</button>
      <p id="token-note" class="note">
        Kept in this tab only, until it is closed. Make one with: tidelock token --any-selector
        --scope read,write,admin
      </p>
    </form>
  );
}
