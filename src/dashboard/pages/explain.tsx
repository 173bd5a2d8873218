/** Where is my row? */
import type { JSX } from 'preact';
import type { EngineLive, Explanation, Looked } from '../../protocol/dashboard.ts';
import { useAsk } from '../ask.ts';
import { bytes, dateTime, seconds } from '../format.ts';
import { Badge, Empty, Failure, Panel, Table, type Tone } from '../parts.tsx';
import { href, setQuery, usePlace } from '../route.ts';
import { engineOf, useLive } from '../store.ts';
import { Fields } from './log.tsx';

export function ExplainPage(): JSX.Element {
  const { query } = usePlace();
  const table = query.get('table') ?? '';
  const key = query.get('key') ?? '';
  const selectors = query.get('selectors') ?? '';
  const path = table === '' || key === '' ? null : pathOf(table, key, selectors);
  const { answer, error, isAsking } = useAsk<Explanation>(path);
  return (
    <>
      <Panel
        title="Which row"
        note="What Postgres has, what the log did with it, and who was sent it"
      >
        <RowForm
          {...{ table, rowKey: key, selectors }}
          live={engineOf(useLive())}
          isAsking={isAsking}
        />
      </Panel>
      {error === null ? null : <Failure error={error} />}
      {answer === null ? null : <Answer answer={answer} />}
    </>
  );
}

/** Several columns of a key, and several selectors, stand with commas between. */
function pathOf(table: string, key: string, selectors: string): string {
  const query = new URLSearchParams({ table });
  for (const part of listOf(key)) query.append('key', part);
  for (const part of listOf(selectors)) query.append('selector', part);
  return `/v1/explain?${query}`;
}

function listOf(text: string): readonly string[] {
  return text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
}

type FormProps = {
  readonly table: string;
  readonly rowKey: string;
  readonly selectors: string;
  readonly live: EngineLive | null;
  readonly isAsking: boolean;
};

function RowForm({ table, rowKey, selectors, live, isAsking }: FormProps): JSX.Element {
  const names = Object.keys(live?.tables ?? {}).sort();
  return (
    <form
      class="fieldset"
      onSubmit={(event) => {
        event.preventDefault();
        const form = new FormData(event.currentTarget);
        const text = (name: string): string => String(form.get(name) ?? '').trim();
        setQuery({ table: text('table'), key: text('key'), selectors: text('selectors') });
      }}
    >
      <label>
        Table
        <input
          {...{
            name: 'table',
            list: 'tables',
            required: true,
            spellcheck: false,
            autocomplete: 'off',
          }}
          defaultValue={table}
        />
        <datalist id="tables">
          {names.map((name) => (
            <option key={name} value={name} />
          ))}
        </datalist>
      </label>
      <label>
        Key <span class="note">columns with commas</span>
        <input
          {...{ name: 'key', required: true, spellcheck: false, autocomplete: 'off' }}
          defaultValue={rowKey}
        />
      </label>
      <label>
        Selectors of the replica <span class="note">or empty</span>
        <input
          {...{ name: 'selectors', spellcheck: false, autocomplete: 'off' }}
          defaultValue={selectors}
        />
      </label>
      <button type="submit">{isAsking ? 'Looking…' : 'Explain'}</button>
    </form>
  );
}

const VERDICTS: Readonly<Record<Explanation['verdict']['kind'], readonly [Tone, string]>> = {
  in: ['good', 'the row is delivered'],
  out: ['idle', 'the row is not there'],
  pending: ['warn', 'on its way'],
  unknown: ['bad', 'cannot be told'],
};

function Answer({ answer }: { answer: Explanation }): JSX.Element {
  const [tone, words] = VERDICTS[answer.verdict.kind];
  return (
    <>
      <Panel title="Answer" actions={<Badge tone={tone}>{words}</Badge>}>
        <ul class="sentences" aria-live="polite">
          {answer.verdict.sentences.map((sentence) => (
            <li key={sentence}>{sentence}</li>
          ))}
        </ul>
      </Panel>
      <Panel title="In Postgres" note={answer.isTwoWay ? 'a two-way table' : undefined}>
        <PostgresRow answer={answer} />
      </Panel>
      <HistoryPanel answer={answer} />
      <ReadersPanel answer={answer} />
    </>
  );
}

function PostgresRow({ answer: { postgres } }: { answer: Explanation }): JSX.Element {
  if (postgres.kind === 'none') return <Empty>There is no row with this key now.</Empty>;
  if (postgres.kind === 'unknown')
    return <Empty>Postgres could not be asked: {postgres.reason}</Empty>;
  return (
    <p class="padded">
      <Fields fields={postgres.row} />
    </p>
  );
}

function HistoryPanel({ answer: { history, looked } }: { answer: Explanation }): JSX.Element {
  return (
    <Panel title="In the log" note={lookedText(looked)}>
      <Table
        caption="Changes of the row, the newest first"
        rows={history}
        keyOf={({ ts, op, selector }) => `${ts} ${op} ${selector}`}
        empty="No change of this row is in this part of the log."
        columns={[
          {
            title: 'Position',
            cell: ({ ts }) => (
              <a
                href={href('log', { at: ts, ts })}
                aria-label={`Changes of the transaction at ${ts}`}
              >
                <code>{ts}</code>
              </a>
            ),
          },
          { title: 'Committed', cell: ({ atMs }) => dateTime(atMs) },
          { title: 'Transaction', isNumber: true, isMinor: true, cell: ({ txid }) => txid },
          { title: 'Change', cell: ({ op }) => <span class={`op ${op}`}>{op}</span> },
          { title: 'Selector', cell: ({ selector }) => <code class="chip">{selector}</code> },
        ]}
      />
    </Panel>
  );
}

export function lookedText({ bytes: size, from, isComplete }: Looked): string {
  return isComplete
    ? `all of the log (${bytes(size)})`
    : `the newest ${bytes(size)} of the log, from ${from} on`;
}

function ReadersPanel({ answer: { readers } }: { answer: Explanation }): JSX.Element {
  return (
    <Panel title="Connected readers" note="of the selectors that the row has or had">
      <Table
        caption="Connected readers of the row's selectors"
        rows={readers}
        keyOf={({ replica }) => replica}
        empty="Nobody who is connected reads these selectors."
        columns={[
          { title: 'Replica', cell: ({ replica }) => <code>{replica}</code> },
          {
            title: 'Delivery',
            cell: ({ isDelivered }) =>
              isDelivered ? <Badge tone="good">sent</Badge> : <Badge tone="warn">not yet</Badge>,
          },
          { title: 'Position', cell: ({ ts }) => <code>{ts}</code> },
          { title: 'Behind', isNumber: true, cell: ({ lagBytes }) => bytes(lagBytes) },
          { title: 'For', isNumber: true, cell: ({ lagS }) => seconds(lagS) },
        ]}
      />
    </Panel>
  );
}
