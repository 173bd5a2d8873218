import { expect, test } from 'vitest';
import { type Lsn, toLsn } from '../../../src/core/lsn.ts';
import { parseSelectorRule } from '../../../src/core/selector.ts';
import type { Relation } from '../../../src/core/source.ts';
import type { TableDef } from '../../../src/core/table.ts';
import { HistoryProbe } from '../../../src/engine/history-probe.ts';
import { openLogStore } from '../../../src/sqlite/log-store.ts';
import { anIdentity, newGroup } from '../log/groups.ts';
import { temporaryFolder } from '../sqlite/replicas.ts';
import { tupleOf } from './tuples.ts';

const CITIES: TableDef = {
  name: 'public.cities',
  columns: [
    { name: 'id', type: 'integer', kind: 'int' },
    { name: 'country', type: 'text', kind: 'text' },
  ],
  key: ['id'],
  indexes: [],
  selector: parseSelectorRule('country'),
};

/** The log's last transaction is at 300, its upper at 400; the slot stands at 200. */
const MICROS = 7;

type Sent = {
  readonly ts: number;
  readonly micros?: number;
  readonly countries?: readonly (string | null)[];
  readonly table?: string;
  readonly columns?: readonly string[];
  readonly isTruncate?: boolean;
};

function relationOf({ table = CITIES.name, columns = ['id', 'country'] }: Sent): Relation {
  return {
    oid: 1,
    name: table,
    identity: 'f',
    columns: columns.map((name) => ({ name, isIdentity: true, typeOid: 25, typeModifier: -1 })),
  };
}

function send(probe: HistoryProbe, sent: Sent): void {
  const xid = sent.ts;
  const change = { xid, subxid: xid };
  probe.begin();
  for (const country of sent.countries ?? []) {
    probe.insert(relationOf(sent), tupleOf(['1', country]), change);
  }
  if (sent.isTruncate === true) probe.truncate([relationOf(sent)], change);
  const ts = toLsn(sent.ts);
  probe.commit({ xid, ts, commitLsn: toLsn(sent.ts - 1), timeMicros: sent.micros ?? MICROS });
}

/** What the probe says of a source that sends this from the slot on. */
function divergenceOf(sent: readonly Sent[], from: Lsn = toLsn(200)): string | undefined {
  using folder = temporaryFolder();
  const log = openLogStore({ dir: folder.path });
  log.reset(anIdentity(), [CITIES]);
  log.append([250, 300].map((ts) => newGroup(ts, { transactions: [ts, ts * 2, MICROS] })));
  log.noteUpper(toLsn(400));
  const probe = new HistoryProbe(log, from);
  for (const transaction of sent) send(probe, transaction);
  log.close();
  return probe.divergence;
}

const ROWS = { countries: ['FR'] };

test.each<readonly [string, readonly Sent[]]>([
  [
    'the same',
    [
      { ts: 250, ...ROWS },
      { ts: 300, ...ROWS },
    ],
  ],
  [
    'the same and more behind the upper',
    [
      { ts: 300, ...ROWS },
      { ts: 500, ...ROWS },
    ],
  ],
  [
    'rows for nobody behind the last transaction',
    [
      { ts: 300, ...ROWS },
      { ts: 350, countries: [null] },
    ],
  ],
  [
    'rows of other layouts before it',
    [
      { ts: 250, ...ROWS, columns: ['id'] },
      { ts: 300, ...ROWS },
    ],
  ],
])("P18: a source that sends %s has the log's history", (_, sent) => {
  expect(divergenceOf(sent)).toBeUndefined();
});

test.each<readonly [string, readonly Sent[], RegExp]>([
  ['nothing', [], /last transaction at 0\/12C/],
  [
    'other transactions',
    [
      { ts: 250, ...ROWS },
      { ts: 310, ...ROWS },
    ],
    /last transaction/,
  ],
  ['another one at the same position', [{ ts: 300, micros: 8, ...ROWS }], /last transaction/],
  [
    'one more before the upper',
    [
      { ts: 300, ...ROWS },
      { ts: 399, ...ROWS },
    ],
    /at 0\/18F that/,
  ],
  [
    'rows of an unknown table',
    [
      { ts: 300, ...ROWS },
      { ts: 350, ...ROWS, table: 'public.t' },
    ],
    /that the log/,
  ],
  [
    'rows of an unknown layout',
    [
      { ts: 300, ...ROWS },
      { ts: 350, ...ROWS, columns: ['id'] },
    ],
    /that the log/,
  ],
  [
    'a truncate',
    [
      { ts: 300, ...ROWS },
      { ts: 350, isTruncate: true },
    ],
    /that the log/,
  ],
])('P18: a source that sends %s has another history', (_, sent, reason) => {
  expect(divergenceOf(sent)).toMatch(reason);
});

test('P18: where the slot stands behind the last transaction, only new ones can tell', () => {
  expect(divergenceOf([], toLsn(350))).toBeUndefined();
  expect(divergenceOf([{ ts: 360, ...ROWS }], toLsn(350))).toMatch(/that the log does not have/);
});

test('P18: a slot that is older than the history is of an older copy', () => {
  expect(divergenceOf([{ ts: 300, ...ROWS }], toLsn(99))).toMatch(/stands at 0\/63, and was made/);
});

test('P18: a source must have the last transaction also when the log has purged it', () => {
  using folder = temporaryFolder();
  const log = openLogStore({ dir: folder.path });
  log.reset(anIdentity(), [CITIES]);
  log.append([newGroup(300, { transactions: [300, 600, MICROS] })]);
  log.purge(1);
  const divergences = [MICROS, MICROS + 1].map((micros) => {
    const probe = new HistoryProbe(log, toLsn(200));
    send(probe, { ts: 300, micros, ...ROWS });
    return probe.divergence;
  });
  expect(divergences).toEqual([undefined, expect.stringMatching(/last transaction at 0\/12C/)]);
  log.close();
});

test('the probe is done at the upper, by a transaction behind it or by a keepalive', async () => {
  using folder = temporaryFolder();
  const log = openLogStore({ dir: folder.path });
  log.reset(anIdentity(), [CITIES]);
  log.append([newGroup(300, { transactions: [300, 600, MICROS] })]);
  for (const isKeepalive of [true, false]) {
    const probe = new HistoryProbe(log, toLsn(100));
    let isDone = false;
    const done = probe.done.then(() => {
      isDone = true;
    });
    probe.keepalive(toLsn(299));
    await Promise.resolve();
    expect(isDone).toBe(false);
    send(probe, { ts: 300, ...ROWS });
    if (isKeepalive) probe.keepalive(toLsn(300));
    else send(probe, { ts: 301 });
    await done;
    expect(probe.redelivered).toBe(1);
  }
  log.close();
});

test('a large transaction that was rolled back is no transaction', () => {
  using folder = temporaryFolder();
  const log = openLogStore({ dir: folder.path });
  log.reset(anIdentity(), [CITIES]);
  log.noteUpper(toLsn(400));
  const probe = new HistoryProbe(log, toLsn(100));
  probe.streamStart();
  probe.insert(relationOf({ ts: 9 }), tupleOf(['1', 'FR']), { xid: 9, subxid: 9 });
  probe.streamStop();
  probe.streamAbort(9, 9);
  send(probe, { ts: 300 });
  expect(probe.divergence).toBeUndefined();
  log.close();
});
