import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import type { EvidenceTable } from '../../../../src/bench/stress/evidence.ts';
import { type PluginTuple, parsePluginLine } from '../../../../src/bench/stress/oracle/parser.ts';
import { TransactionReader } from '../../../../src/bench/stress/oracle/transactions.ts';
import { toLsn } from '../../../../src/core/lsn.ts';

function plain(tuple: PluginTuple | null): unknown {
  if (tuple === null) return null;
  return Object.fromEntries(
    [...tuple].map(([name, value]) => [name, value.kind === 'text' ? value.text : value.kind]),
  );
}

function row(text: string): unknown {
  const line = parsePluginLine(text);
  if (line.kind !== 'row') return line;
  return { ...line, old: plain(line.old), row: plain(line.row) };
}

test('a row with quotes, brackets, arrays, bytes, nulls and line breaks is read as it is', () => {
  const text = `table public."Odd ""T"".x": INSERT: id[bigint]:-12 "a[b] :c"[integer[]]:'{1,NULL,2}' t[public."ty ] pe"]:'it''s\na]: b' n[text]:null e[text]:'' by[bytea]:'\\x00ff' b[boolean]:true f[double precision]:-0 bits[bit]:B'0101'`;
  expect(row(text)).toEqual({
    ...{ kind: 'row', table: 'public.Odd "T".x', op: 'insert', old: null },
    row: {
      ...{ id: '-12', 'a[b] :c': '{1,NULL,2}', t: "it's\na]: b", n: 'null', e: '' },
      ...{ by: '\\x00ff', b: 'true', f: '-0', bits: '0101' },
    },
  });
});

test('updates have an old side when there is one, also when a value looks like the mark between them', () => {
  expect(
    row(
      `table public.t: UPDATE: old-key: id[integer]:1 v[text]:' new-tuple: ' new-tuple: id[integer]:2 v[text]:unchanged-toast-datum`,
    ),
  ).toEqual({
    ...{ kind: 'row', table: 'public.t', op: 'update' },
    old: { id: '1', v: ' new-tuple: ' },
    row: { id: '2', v: 'unchanged' },
  });
  expect(row('table public.t: UPDATE: id[integer]:2')).toMatchObject({ old: null });
});

test('deletes, truncates, messages and transaction ends are read', () => {
  expect(row('table public.t: DELETE: id[integer]:1')).toMatchObject({
    ...{ op: 'delete', old: { id: '1' }, row: null },
  });
  expect(row('table public.t: DELETE: (no-tuple-data)')).toMatchObject({ old: null });
  expect(row('table public.a, public."b, c": TRUNCATE: restart_seqs cascade')).toEqual({
    ...{ kind: 'truncate', tables: ['public.a', 'public.b, c'] },
  });
  expect(row('message: transactional: 1 prefix: x, sz: 3 content:abc')).toEqual({
    kind: 'message',
  });
  expect(row('COMMIT 77 (at 2026-11-22 06:50:00.5+00)')).toEqual({
    ...{ kind: 'commit', xid: 77, micros: Date.UTC(2026, 10, 22, 6, 50) * 1000 + 500_000 },
  });
});

test('what the plugin does not print is refused with the place', () => {
  for (const text of ['hello', 'table public.t', "table public.t: INSERT: a[text]:'x"]) {
    expect(() => row(text)).toThrowError(/cannot be read at character \d+/);
  }
});

test('any text comes back from its quoted form', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), fc.string({ minLength: 1 }), (value, name) => {
      const quoted = `"${name.replaceAll('"', '""')}"[text]:'${value.replaceAll("'", "''")}'`;
      expect(row(`table public.t: INSERT: ${quoted} z[integer]:1`)).toMatchObject({
        row: { [name]: value, z: '1' },
      });
    }),
  );
});

const TABLE: EvidenceTable = {
  ...{ name: 'public.t', key: ['id'], selector: null, balance: null },
  columns: [
    { name: 'id', kind: 'int' },
    { name: 'big', kind: 'text' },
    { name: 'ok', kind: 'bool' },
  ],
};
const NOW = { nextTxid: 2 ** 32 + 100, t: 5 };

function readAll(lines: readonly (readonly [lsn: number, text: string])[]): unknown[] {
  const reader = new TransactionReader([TABLE], 0);
  return lines.flatMap(([lsn, text]) => reader.take(text, toLsn(lsn), NOW) ?? []);
}

test('a transaction has the position of its commit, a wide id, and old values where they are unchanged', () => {
  expect(
    readAll([
      [10, 'BEGIN 99'],
      [11, 'table public.other: INSERT: id[integer]:1'],
      [
        12,
        `table public.t: UPDATE: old-key: id[integer]:1 big[text]:'x' new-tuple: id[integer]:2 big[text]:unchanged-toast-datum ok[boolean]:true`,
      ],
      [
        13,
        'table public.t: UPDATE: id[integer]:2 big[text]:unchanged-toast-datum ok[boolean]:false',
      ],
      [20, 'COMMIT 99 (at 1970-01-01 00:00:00.0015+00)'],
    ]),
  ).toEqual([
    {
      ...{ t: 5, ts: '0/14', txid: String(2 ** 32 + 99), committedAt: 1.5 },
      changes: [
        {
          ...{ table: 'public.t', op: 'update', old: { id: '1', big: 'x' } },
          row: { id: '2', big: 'x', ok: 'true' },
        },
        { table: 'public.t', op: 'update', old: null, row: { id: '2', ok: 'false' } },
      ],
    },
  ]);
});

test('P18: what a slot that went back delivers again is dropped', () => {
  const transaction = [
    [10, 'BEGIN 4294967290'],
    [11, 'table public.t: INSERT: id[integer]:1'],
    [20, 'COMMIT 4294967290'],
  ] as const;
  const events = readAll([...transaction, ...transaction]);
  expect(events).toHaveLength(1);
  expect(events[0]).toMatchObject({ txid: '4294967290' });
});
