/** The judge on histories written by hand: what is right passes, and each mistake has its name. */
import { expect, test } from 'vitest';
import { Findings } from '../../../../src/bench/stress/judge/findings.ts';
import { judgeFinal } from '../../../../src/bench/twoway/final-judge.ts';
import type { HistoryLine, Part } from '../../../../src/bench/twoway/history.ts';
import type { TwowayProperty } from '../../../../src/bench/twoway/properties.ts';
import { Replay } from '../../../../src/bench/twoway/replay.ts';
import type { Segment } from '../../../../src/bench/twoway/rows.ts';
import { writesOf } from '../../../../src/bench/twoway/writes.ts';

/** Writes of databases 1 and 2. */
const [A, B, C] = [10_100_001, 20_100_001, 20_100_002] as const;

type Batch = Readonly<Record<string, readonly Segment[]>>;

const read = (changed: Batch): HistoryLine => ({ k: 'read', t: 1, changed });

function wrote(write: number, part: Omit<Part, 'columns'>, isDone = true): HistoryLine[] {
  const parts = [{ columns: ['text', 'number'] as const, ...part }];
  const { kind: operation } = part;
  return [
    { k: 'write', t: 1, step: 0, write, operation, parts },
    { k: 'outcome', t: 1, write, isDone },
  ];
}

const insert = (write: number): HistoryLine[] =>
  wrote(write, { kind: 'insert', rows: { k_: [[0, 9]] } });
const update = (write: number): HistoryLine[] =>
  wrote(write, { kind: 'update', rows: { k_: [[0, 9]] } });
const remove = (write: number): HistoryLine[] =>
  wrote(write, { kind: 'delete', rows: { k_: [[0, 9]] } });
const rows = (write: number): Batch => ({ k_: [[0, 9, write, write]] });

/** The properties that fail, with the first sentence of each. */
function judged(how: {
  readonly histories: readonly (readonly HistoryLine[])[];
  readonly final: Batch;
  readonly isOnce?: boolean;
}): Readonly<Record<string, string>> {
  const findings = new Findings<TwowayProperty>();
  const writes = how.histories.flatMap((history, index) => writesOf(index + 1, history));
  const byNumber = new Map(writes.map((write) => [write.write, write]));
  for (const [index, history] of how.histories.entries()) {
    new Replay(index + 1, byNumber, findings).run(history);
  }
  judgeFinal({ final: how.final, writes, findings, isOnce: how.isOnce ?? true, t: 9 });
  const all: readonly TwowayProperty[] = ['P1', 'P8', 'P9', 'P10', 'P13', 'P14'];
  return Object.fromEntries(
    all.filter((one) => findings.has(one)).map((one) => [one, findings.witness(one)[0] ?? '']),
  );
}

const AUTHOR = [...insert(A), read(rows(A))];

test('an insert, an update by another database and everybody’s sight of both is right', () => {
  const other = [read(rows(A)), ...update(B), read(rows(B))];
  expect(judged({ histories: [[...AUTHOR, read(rows(B))], other], final: rows(B) })).toEqual({});
});

test('P1: an insert that nobody deleted must be there', () => {
  const found = judged({ histories: [AUTHOR], final: { k_: [[0, 7, A, A]] } });
  expect(found).toEqual({ P1: expect.stringContaining('k_8 to 9 is not there in the end') });
});

test('P1: an update is not undone by what it replaced', () => {
  const other = [read(rows(A)), ...update(B), read(rows(B))];
  expect(Object.keys(judged({ histories: [AUTHOR, other], final: rows(A) }))).toEqual(['P1']);
});

test('P8: what was seen replaced does not come back', () => {
  const reader = [read(rows(A)), read(rows(B)), read(rows(A))];
  const writer = [read(rows(A)), ...update(B), read(rows(B))];
  const found = judged({ histories: [[...AUTHOR, ...reader], writer], final: rows(B) });
  expect(found.P8).toContain('database 1 shows k_0 again with the text of write 10100001');
});

test('P9: who writes sees what he wrote', () => {
  const writer = [read(rows(A)), ...update(B), read({ k_: [[0, 9, A, B]] }), read(rows(B))];
  const found = judged({ histories: [AUTHOR, writer], final: rows(B) });
  expect(found.P9).toContain('k_0 again with the text of write 10100001');
});

test('P10: who sees a write sees what its writer had seen', () => {
  const seen: Batch = { k_: [[0, 9, A, A]], x_: [[0, 0, B, B]] };
  const writer = [
    read(seen),
    ...wrote(C, { kind: 'update', rows: { x_: [[0, 0]] } }),
    read({ x_: [[0, 0, C, C]] }),
    ...update(B + 7),
    read({ k_: [[0, 9, B + 7, B + 7]] }),
    ...wrote(B + 8, { kind: 'update', rows: { x_: [[0, 0]] } }),
  ];
  const reader = [read(seen), read({ x_: [[0, 0, B + 8, B + 8]] })];
  const final: Batch = { k_: [[0, 9, B + 7, B + 7]], x_: [[0, 0, B + 8, B + 8]] };
  const found = judged({ histories: [[...AUTHOR, ...reader], writer], final });
  expect(found.P10).toContain('had seen k_0 with the text of write 20100008');
});

test('P13: what was deleted is not there in the end, and does not come back meanwhile', () => {
  const other = [read(rows(A)), ...remove(B), read({ k_: [] })];
  expect(judged({ histories: [AUTHOR, other], final: {} })).toEqual({});
  expect(Object.keys(judged({ histories: [AUTHOR, other], final: rows(A) }))).toEqual(['P13']);
  const back = [read(rows(A)), read({ k_: [] }), read(rows(A))];
  const found = judged({ histories: [[...AUTHOR, ...back], other], final: {} });
  expect(Object.keys(found)).toEqual(['P13']);
});

test('P14: of updates that did not know each other the greater one wins', () => {
  const one = [...AUTHOR, ...update(A + 1), read(rows(A + 1))];
  const two = [read(rows(A)), ...update(B), read(rows(B))];
  expect(judged({ histories: [one, two], final: rows(B) })).toEqual({});
  const found = judged({ histories: [one, two], final: rows(A + 1) });
  expect(found).toEqual({ P14: expect.stringContaining('but write 20100001 of database 2') });
});

test('a write that may or may not have been committed proves nothing', () => {
  const [about] = update(B);
  const other = [read(rows(A)), about as HistoryLine];
  expect(judged({ histories: [AUTHOR, other], final: rows(A) })).toEqual({});
  expect(judged({ histories: [AUTHOR, other], final: rows(B) })).toEqual({});
});

test('a forbidden write may stand in its own database until it is taken back', () => {
  const trespass: HistoryLine[] = wrote(A + 5, { kind: 'update', rows: { k_: [[0, 0]] } }).map(
    (line) => (line.k === 'write' ? { ...line, operation: 'trespass' } : line),
  );
  const taken: Batch = {
    k_: [
      [0, 0, A + 5, A],
      [1, 9, A, A],
    ],
  };
  const history = [...AUTHOR, ...trespass, read(taken), read(rows(A))];
  expect(judged({ histories: [history], final: rows(A) })).toEqual({});
});

test('a write that Postgres refused may be undone by what it had replaced, and by nothing else', () => {
  const refused: HistoryLine = { k: 'rejected', t: 1, write: A + 1, code: 'CONSTRAINT' };
  const history = [...AUTHOR, ...update(A + 1), read(rows(A + 1)), refused, read(rows(A))];
  const other = [read(rows(A)), ...update(B), read(rows(B))];
  expect(judged({ histories: [[...history, read(rows(B))], other], final: rows(B) })).toEqual({});
  const isTold = judged({
    histories: [history.filter((line) => line !== refused)],
    final: rows(A),
  });
  expect(Object.keys(isTold)).toEqual(['P1', 'P8']);
  const older = [...history, read(rows(B)), read(rows(A + 1))];
  expect(Object.keys(judged({ histories: [older, other], final: rows(B) }))).toEqual(['P8']);
});
