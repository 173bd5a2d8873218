import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { loadPgParser } from '../../../../src/sql/pg-parser.ts';
import { Bed } from './bed.ts';

let bed: Bed;
let folder: string;

beforeAll(() => loadPgParser());

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tidelock-sinks-'));
  bed = new Bed();
  bed.run('CREATE TABLE t (i int)');
  bed.run('INSERT INTO t VALUES (1)');
});

afterEach(() => rmSync(folder, { recursive: true }));

const into = (name: string): string => `INTO FILE '${join(folder, name)}' FORMAT JSON`;

test('a sink has what is there, then what changes, and its history stays until it was written', () => {
  expect(bed.run(`CREATE SINK s FROM t ${into('s.json')}`)).toBe('CREATE SINK');
  bed.run('INSERT INTO t VALUES (2)');
  const lines = readFileSync(join(folder, 's.json'), 'utf8').trim().split('\n');
  expect(lines.length).toBeGreaterThanOrEqual(2);
  expect(bed.system.state.holds.has('sink:u3')).toBe(true);
  expect(bed.run('DROP SINK s')).toBe('DROP SINK');
  expect(bed.system.state.holds.has('sink:u3')).toBe(false);
});

test('a sink that cannot be opened was never there', () => {
  const failed = bed.run(`CREATE SINK s FROM t ${into('nowhere/s.json')}`);
  expect(failed).toContain('error: ');
  expect(bed.run('SHOW SINKS')).toBe('(no rows)');
  expect(bed.system.state.holds.has('sink:u3')).toBe(false);
});

test('a sink whose client has left fails for nobody, and is gone all the same', () => {
  bed.system.do({ kind: 'feedback', feedback: { kind: 'uppers', uppers: [] } });
  expect(bed.run(`CREATE SINK s FROM t ${into('s.json')}`)).toBe('CREATE SINK');
  const [item] = [...bed.system.state.catalog.items.values()].filter(({ kind }) => kind === 'sink');
  if (item?.kind !== 'sink') throw new Error('the sink is in the catalog');
  item.isPending = true;
  const failed = { kind: 'failed' as const, id: item.id, code: '58030', message: 'gone' };
  bed.system.do({ kind: 'feedback', feedback: failed });
  expect(bed.run('SHOW SINKS')).toBe('(no rows)');
});

test('a sink of a view that is not materialized is refused, with what to do', () => {
  bed.run('CREATE VIEW v AS SELECT i FROM t');
  expect(bed.run(`CREATE SINK s FROM v ${into('s.json')}`)).toContain('error: 55000');
});
