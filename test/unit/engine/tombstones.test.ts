import { expect, test } from 'vitest';
import type { CoordinatorView, HoldView } from '../../../src/coordinator/inspect.ts';
import type { Lsn } from '../../../src/core/lsn.ts';
import { floorOf, MARKS_MAX, thinned } from '../../../src/engine/tombstones.ts';
import { collectSql, type Mark } from '../../../src/postgres/twoway/tombstones.ts';

const hold = (kind: HoldView['kind'], ts: number, state: HoldView['state'] = 'held'): HoldView => ({
  ...{ kind, owner: 'o', ts: ts as HoldView['ts'], state },
});

const floor = (...holds: HoldView[]): number =>
  floorOf({ holds, log: { upper: 100 } as CoordinatorView['log'] });

test('the floor is the lowest of leases, snapshots under way and the restart; the log bounds it', () => {
  expect(floor()).toBe(100);
  expect(floor(hold('lease', 120), hold('policy', 1), hold('subscriber', 2))).toBe(100);
  expect(floor(hold('lease', 90), hold('snapshot', 80), hold('restart', 85))).toBe(80);
  expect(floor(hold('lease', 10, 'broken'), hold('lease', 70))).toBe(70);
});

test('marks stay few while a lease stays behind, the oldest region included, the newest always', () => {
  let marks: readonly Mark[] = [];
  for (let at = 1; at <= 10_000; at += 1) {
    marks = thinned([...marks, { position: at as Lsn, xmin: String(at) }]);
    expect(marks.length).toBeLessThanOrEqual(MARKS_MAX);
    expect(marks.at(-1)?.position).toBe(at);
  }
  expect(marks[0]?.position).toBeLessThan(5000);
});

test('a collection quotes every name', () => {
  const table = {
    ...{
      oid: 1,
      name: `public.a"b`,
      isPresent: true,
      versionsTable: 'tidelock.versions_x',
      key: [`k"`],
      keyNumbers: [1],
    },
    ...{
      columns: ['x'],
      columnNumbers: [2],
      audience: [`o"`],
      rule: '*',
      ruleKind: 'selector' as const,
      role: 'r',
    },
  };
  const sql = collectSql({ table, mark: { position: 16 as Lsn, xmin: '7' }, timeline: `t'` });
  for (const part of [`"public"."a""b"`, `v."k""" = b."k"""`, `"o""" = b."o"""`, `'t'''`])
    expect(sql).toContain(part);
});
