/** The log browser: transactions around a position, and what one of them changed. */
import type { JSX } from 'preact';
import type {
  LogChange,
  LogChanges,
  LogField,
  LogPage,
  LogTransaction,
} from '../../protocol/dashboard.ts';
import { useAsk } from '../ask.ts';
import { bytes, count, dateTime } from '../format.ts';
import { Empty, Failure, Panel, Table } from '../parts.tsx';
import { href, setQuery, usePlace } from '../route.ts';

const PAGE_ROWS = 30;
const CHANGES_ROWS = 100;

export function LogBrowser(): JSX.Element {
  const { query } = usePlace();
  const ts = query.get('ts');
  return (
    <>
      <Transactions
        at={query.get('at') ?? ''}
        isNewer={query.get('newer') === 'true'}
        chosen={ts}
      />
      {ts === null ? null : <Changes ts={ts} from={Number(query.get('from') ?? 0)} />}
    </>
  );
}

type TransactionsProps = {
  readonly at: string;
  readonly isNewer: boolean;
  readonly chosen: string | null;
};

function Transactions({ at, isNewer, chosen }: TransactionsProps): JSX.Element {
  const place = at === '' ? '' : `&at=${encodeURIComponent(at)}&newer=${isNewer}`;
  const { answer, error, isAsking, again } = useAsk<LogPage>(`/v1/log?limit=${PAGE_ROWS}${place}`);
  const turn = (to: string | undefined, newer: boolean): void =>
    setQuery({ at: to ?? '', newer: newer ? 'true' : '' });
  return (
    <Panel
      title="Transactions"
      note={
        answer === null ? undefined : `from ${answer.since} to ${answer.upper}, the newest first`
      }
      actions={
        <>
          <AtForm at={at} />
          <button type="button" onClick={() => (at === '' ? again() : turn('', false))}>
            Newest
          </button>
          <button
            type="button"
            disabled={answer?.newer === undefined}
            onClick={() => turn(answer?.newer, true)}
          >
            Newer
          </button>
          <button
            type="button"
            disabled={answer?.older === undefined}
            onClick={() => turn(answer?.older, false)}
          >
            Older
          </button>
        </>
      }
    >
      {error === null ? null : <Failure error={error} />}
      {answer === null ? (
        <Empty>{isAsking ? 'Reading the log…' : 'Nothing to show.'}</Empty>
      ) : (
        <TransactionTable page={answer} chosen={chosen} />
      )}
    </Panel>
  );
}

function AtForm({ at }: { at: string }): JSX.Element {
  return (
    <form
      class="inline"
      onSubmit={(event) => {
        event.preventDefault();
        const text = new FormData(event.currentTarget).get('at');
        setQuery({ at: String(text ?? '').trim(), newer: '' });
      }}
    >
      <label for="at">At or before</label>
      <input
        {...{ id: 'at', name: 'at', size: 14, placeholder: '0/16B3748', spellcheck: false }}
        key={at}
        defaultValue={at}
      />
      <button type="submit">Go</button>
    </form>
  );
}

function TransactionTable({ page, chosen }: { page: LogPage; chosen: string | null }): JSX.Element {
  return (
    <Table
      caption="Transactions of the log"
      rows={page.transactions}
      keyOf={({ ts }) => ts}
      isChosen={({ ts }) => ts === chosen}
      empty="The log has no transaction here. What is older than the policy is purged, and replicas have it."
      columns={[
        { title: 'Position', cell: ({ ts }) => <TransactionLink ts={ts} /> },
        { title: 'Committed', cell: ({ atMs }) => dateTime(atMs) },
        { title: 'Transaction', isNumber: true, isMinor: true, cell: ({ txid }) => txid },
        {
          title: 'Changes',
          isNumber: true,
          cell: (one) => `${count(one.changes)}${one.isPartial ? ' or more' : ''}`,
        },
        { title: 'What', cell: (one) => <Kinds of={one} /> },
        { title: 'Selectors', cell: (one) => <Selectors of={one} /> },
        { title: 'Size', isNumber: true, isMinor: true, cell: (one) => bytes(one.bytes) },
      ]}
    />
  );
}

function TransactionLink({ ts }: { ts: string }): JSX.Element {
  const { query } = usePlace();
  const filters = { at: query.get('at') ?? '', newer: query.get('newer') ?? '' };
  return (
    <a href={href('log', { ...filters, ts })} aria-label={`Changes of the transaction at ${ts}`}>
      <code>{ts}</code>
    </a>
  );
}

function Kinds({ of: { kinds } }: { of: LogTransaction }): JSX.Element {
  return (
    <>
      {Object.entries(kinds).map(([kind, times], at) => (
        <span key={kind}>
          {at > 0 ? ', ' : ''}
          {count(times)} {kind}
        </span>
      ))}
    </>
  );
}

function Selectors({ of: { selectors, selectorCount } }: { of: LogTransaction }): JSX.Element {
  const more = selectorCount - selectors.length;
  return (
    <>
      {selectors.map((selector) => (
        <code key={selector} class="chip">
          {selector === '*' ? 'everybody' : selector}
        </code>
      ))}
      {more > 0 ? ` and ${count(more)} more` : ''}
    </>
  );
}

function Changes({ ts, from }: { ts: string; from: number }): JSX.Element {
  const path = `/v1/log/changes?ts=${encodeURIComponent(ts)}&from=${from}&limit=${CHANGES_ROWS}`;
  const { answer, error, isAsking } = useAsk<LogChanges>(path);
  const note =
    answer === null ? undefined : `transaction ${answer.txid}, committed ${dateTime(answer.atMs)}`;
  const next = answer?.next;
  return (
    <Panel
      title={`Changes of ${ts}`}
      note={note}
      actions={
        <>
          {from > 0 ? (
            <button
              type="button"
              onClick={() => setQuery({ from: `${Math.max(0, from - CHANGES_ROWS)}` })}
            >
              Previous
            </button>
          ) : null}
          {next === undefined ? null : (
            <button type="button" onClick={() => setQuery({ from: `${next}` })}>
              Next
            </button>
          )}
          <button type="button" onClick={() => setQuery({ ts: '', from: '' })}>
            Close
          </button>
        </>
      }
    >
      {error === null ? null : <Failure error={error} />}
      {answer === null ? (
        <Empty>{isAsking ? 'Reading the transaction…' : ''}</Empty>
      ) : (
        <>
          <ChangeTable changes={answer.changes} />
          {answer.isCut ? (
            <p class="note">The transaction has more changes than can be shown.</p>
          ) : null}
        </>
      )}
    </Panel>
  );
}

function ChangeTable({ changes }: { changes: readonly LogChange[] }): JSX.Element {
  return (
    <Table
      caption="Changes of the transaction"
      rows={changes}
      keyOf={({ index }) => `${index}`}
      empty="Nothing that a replica would get."
      columns={[
        { title: 'No.', isNumber: true, isMinor: true, cell: ({ index }) => index + 1 },
        { title: 'Change', cell: ({ op }) => <span class={`op ${op}`}>{op}</span> },
        { title: 'Table', cell: ({ table }) => <code>{table}</code> },
        {
          title: 'Selector',
          cell: ({ selector }) =>
            selector === undefined ? (
              ''
            ) : (
              <code class="chip">{selector === '*' ? 'everybody' : selector}</code>
            ),
        },
        { title: 'Row', cell: (change) => <Row change={change} /> },
      ]}
    />
  );
}

/** Values are shown as text, whatever they hold. */
function Row({ change: { key, row, old, note } }: { change: LogChange }): JSX.Element {
  const before = new Map(old ?? []);
  return (
    <>
      {note === undefined ? null : <span class="note">{note}</span>}
      {key === undefined ? null : (
        <Fields name={row === undefined ? 'key' : 'old key'} fields={key} />
      )}
      {row === undefined ? null : <Fields fields={row} before={before} />}
    </>
  );
}

type FieldsProps = {
  readonly name?: string;
  readonly fields: readonly LogField[];
  readonly before?: ReadonlyMap<string, LogField[1]>;
};

export function Fields({ name, fields, before }: FieldsProps): JSX.Element {
  const isChanged = (field: string, value: LogField[1]): boolean =>
    before?.has(field) === true && before.get(field) !== value;
  return (
    <span class="fields">
      {name === undefined ? null : <span class="note">{name} </span>}
      {fields.map(([field, value]) => (
        <span key={field} class={isChanged(field, value) ? 'field changed' : 'field'}>
          <span class="name">{field}</span> <code>{shown(value)}</code>
          {isChanged(field, value) ? (
            <span class="note"> was {shown(before?.get(field) ?? null)}</span>
          ) : null}
        </span>
      ))}
    </span>
  );
}

function shown(value: LogField[1]): string {
  return value === null ? 'null' : typeof value === 'string' ? value : String(value);
}
