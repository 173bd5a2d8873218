import { appendFileSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { WorkerCommand } from '../../../../src/coordinator/sql/worker.ts';
import { column, get, openBed, queryOf } from './worker-bed.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tidelock-files-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

type Bed = ReturnType<typeof openBed>;
type Source = Extract<WorkerCommand, { kind: 'createFileSource' }>;

const LINE = [column('text', 'text')];

function source(options: Partial<Source> = {}): Source {
  const path = join(folder, 'f');
  return {
    kind: 'createFileSource',
    id: 'u1',
    columns: LINE,
    path,
    isTail: true,
    format: 'text',
    hasHeader: false,
    ...options,
  };
}

function create(bed: Bed, content: string, options: Partial<Source> = {}): string {
  const command = source(options);
  writeFileSync(command.path, content);
  bed.worker.handle(command);
  return command.path;
}

function rowsAt(bed: Bed, time: number, columns = LINE): unknown {
  bed.take();
  const query = queryOf(get('u1', columns));
  bed.worker.handle({ kind: 'peek', peek: 1, query, time, now: 0 });
  const [answer] = bed.take();
  return answer?.kind === 'peekDone' && answer.result.kind === 'rows'
    ? [...answer.result.rows].sort()
    : answer;
}

test('a tailed file is looked at when the clock has advanced, its lines come at the clock', () => {
  const bed = openBed();
  bed.worker.tick(1);
  const path = create(bed, 'one\n');
  bed.worker.tick(1);
  expect(bed.take()).toEqual([]);
  bed.worker.tick(2);
  expect(bed.take()).toEqual([{ kind: 'uppers', uppers: [{ id: 'u1', upper: 3 }] }]);
  appendFileSync(path, 'two\n');
  bed.worker.tick(5);
  expect(rowsAt(bed, 1)).toEqual([]);
  expect(rowsAt(bed, 4)).toEqual([['one']]);
  expect(rowsAt(bed, 5)).toEqual([['one'], ['two']]);
});

test('a line without its end waits for it, unless the file is closed', () => {
  const bed = openBed();
  const path = create(bed, 'one\ntw');
  bed.worker.tick(1);
  expect(rowsAt(bed, 1)).toEqual([['one']]);
  appendFileSync(path, 'o\r\n');
  bed.worker.tick(2);
  expect(rowsAt(bed, 2)).toEqual([['one'], ['two']]);
  const closed = openBed();
  create(closed, 'one\ntwo', { isTail: false });
  closed.worker.tick(1);
  expect(closed.take()).toEqual([{ kind: 'uppers', uppers: [{ id: 'u1', upper: null }] }]);
  expect(rowsAt(closed, 2 ** 53 - 1)).toEqual([['one'], ['two']]);
  expect(rowsAt(closed, 0)).toEqual([]);
});

test('a source that is opened again goes on where it was', () => {
  const file = join(folder, 'sql.db');
  const first = openBed(file);
  const path = create(first, 'one\n');
  first.worker.tick(1);
  first.store.close();
  appendFileSync(path, 'two\n');
  const second = openBed(file);
  second.worker.handle(source());
  second.worker.tick(2);
  expect(rowsAt(second, 1)).toEqual([['one']]);
  expect(rowsAt(second, 2)).toEqual([['one'], ['two']]);
  second.store.close();
});

test('CSV has quotes, line ends within quotes, a header, and numbers of lines', () => {
  const bed = openBed();
  const columns = [column('a', 'text'), column('b', 'text'), column('line', 'int8')];
  create(bed, 'a,b\n1,"x ""y"",\nz"\n,\n', { format: 'csv', hasHeader: true, columns });
  bed.worker.tick(1);
  expect(rowsAt(bed, 1, columns)).toEqual([
    ['', '', 4n],
    ['1', 'x "y",\nz', 2n],
  ]);
});

test.each([
  ['csv', 'a,b\n1\n', 'line 2: 1 fields instead of 2'],
  ['csv', 'a,"b"c\n', 'line 1: misplaced quote in field 2'],
  ['json', '{}\n{"a":\n', 'line 2: not JSON'],
  ['text', Buffer.from([0xff, 0x0a]), 'line 1: not UTF-8'],
] as const)('a bad record of %s is told with file and line (%#)', (format, content, message) => {
  const bed = openBed();
  const columns =
    format === 'csv' ? [column('a', 'text'), column('b', 'text')] : [column('a', 'text')];
  const path = create(bed, '', { format, columns });
  writeFileSync(path, content);
  bed.worker.tick(1);
  const failed = bed.take()[0];
  expect(failed).toMatchObject({ kind: 'failed', id: 'u1', code: '22P02' });
  expect(failed).toHaveProperty('message', expect.stringContaining(`${path} ${message}`));
  expect(rowsAt(bed, 1, columns)).toMatchObject({
    kind: 'peekDone',
    result: { kind: 'error', code: '22P02' },
  });
});

test('a document is held as PostgreSQL prints it', () => {
  const bed = openBed();
  const columns = [column('data', 'jsonb')];
  create(bed, '{"b":1,  "a" : [1.0,null]}\n', { format: 'json', columns });
  bed.worker.tick(1);
  expect(rowsAt(bed, 1, columns)).toEqual([['{"a": [1.0, null], "b": 1}']]);
});

test('a missing file and one that shrinks are told', () => {
  const bed = openBed();
  bed.worker.handle(source({ path: join(folder, 'nowhere') }));
  expect(bed.take()).toMatchObject([{ kind: 'failed', id: 'u1', code: '58P01' }]);
  const other = openBed();
  const path = create(other, 'one\ntwo\n');
  other.worker.tick(1);
  other.take();
  truncateSync(path, 3);
  other.worker.tick(2);
  expect(other.take()).toMatchObject([{ kind: 'failed', id: 'u1', code: '58030' }]);
});

test('a file is read in pieces: records that cross them stay whole', () => {
  const bed = openBed();
  const lines = Array.from({ length: 5000 }, (_, index) => `${index} ${'é'.repeat(index % 200)}`);
  create(bed, `${lines.join('\n')}\n`, { isTail: false });
  bed.worker.tick(1);
  expect(rowsAt(bed, 1)).toEqual(lines.map((line) => [line]).sort());
});
