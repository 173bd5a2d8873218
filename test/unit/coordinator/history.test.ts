import { expect, test } from 'vitest';
import { decideHistory, type LogHistory } from '../../../src/coordinator/history.ts';
import type { SourceFacts } from '../../../src/coordinator/types.ts';
import { facts, lsn } from './support.ts';

const LOG: LogHistory = { systemId: 'sys', walTimeline: 3, upper: lsn(500) };
const SLOT = { confirmed: lsn(500), isLost: false, activePid: null };

type Row = {
  readonly name: string;
  readonly log?: Partial<LogHistory>;
  readonly facts?: Partial<SourceFacts>;
  /** `resume`, `promoted`, `busy`, or a part of the reason for a new history. */
  readonly expected: 'resume' | 'promoted' | 'busy' | RegExp;
};

/** Every input that matters at its border: below, at and above. */
const TABLE: readonly Row[] = [
  { name: 'nothing changed', expected: 'resume' },
  { name: 'no history yet', log: { systemId: null }, expected: /first start/ },
  {
    name: 'no history and no slot',
    log: { systemId: null },
    facts: { slot: null },
    expected: /first start/,
  },
  {
    name: 'another cluster',
    facts: { systemId: 'other' },
    expected: /another database cluster: other/,
  },
  { name: 'the WAL ends before the upper', facts: { flushed: lsn(499) }, expected: /went back/ },
  { name: 'the WAL ends at the upper', facts: { flushed: lsn(500) }, expected: 'resume' },
  {
    name: 'the WAL went back and has grown past the upper',
    facts: { divergence: 'it does not have 0/1' },
    expected: /gone on since: it does not have/,
  },
  { name: 'the slot is gone', facts: { slot: null }, expected: /slot is gone/ },
  {
    name: 'the slot was invalidated',
    facts: { slot: { ...SLOT, isLost: true } },
    expected: /invalidated/,
  },
  {
    name: 'the slot is behind',
    facts: { slot: { ...SLOT, confirmed: lsn(1) } },
    expected: 'resume',
  },
  { name: 'the slot is at the upper', facts: { slot: SLOT }, expected: 'resume' },
  {
    name: 'the slot is ahead',
    facts: { slot: { ...SLOT, confirmed: lsn(501) } },
    expected: /moved to 0\/1F5/,
  },
  {
    name: 'promoted at the upper',
    facts: { walTimeline: 4, switchedAt: lsn(500) },
    expected: 'promoted',
  },
  {
    name: 'promoted after the upper',
    facts: { walTimeline: 4, switchedAt: lsn(600) },
    expected: 'promoted',
  },
  {
    name: 'promoted before the upper',
    facts: { walTimeline: 4, switchedAt: lsn(499) },
    expected: /from 3 to 4 at 0\/1F3/,
  },
  {
    name: 'promoted, nobody knows where',
    facts: { walTimeline: 4 },
    expected: /cannot be followed/,
  },
  {
    name: 'promoted twice',
    facts: { walTimeline: 5, switchedAt: lsn(600) },
    expected: /cannot be followed/,
  },
  {
    name: 'an older WAL timeline',
    facts: { walTimeline: 2, switchedAt: lsn(600) },
    expected: /cannot be followed/,
  },
  {
    name: 'promoted without our slot',
    facts: { walTimeline: 4, switchedAt: lsn(600), slot: null },
    expected: /slot is gone/,
  },
  {
    name: 'promoted, slot ahead',
    facts: { walTimeline: 4, switchedAt: lsn(600), slot: { ...SLOT, confirmed: lsn(501) } },
    expected: /moved to/,
  },
  { name: 'the slot is in use', facts: { slot: { ...SLOT, activePid: 7 } }, expected: 'busy' },
  {
    name: 'in use, and ahead',
    facts: { slot: { ...SLOT, activePid: 7, confirmed: lsn(900) } },
    expected: 'busy',
  },
  {
    name: 'in use, no history',
    log: { systemId: null },
    facts: { slot: { ...SLOT, activePid: 7 } },
    expected: 'busy',
  },
  {
    name: 'in use, another cluster',
    facts: { systemId: 'other', slot: { ...SLOT, activePid: 7 } },
    expected: 'busy',
  },
];

test.each(TABLE)('P18/P20: history decision, $name', (row) => {
  const same = { walTimeline: 3, slot: SLOT };
  const decision = decideHistory({ ...LOG, ...row.log }, facts({ ...same, ...row.facts }));
  if (row.expected === 'resume' || row.expected === 'promoted') {
    expect(decision).toEqual({ kind: 'resume', isPromoted: row.expected === 'promoted' });
  } else if (row.expected === 'busy') {
    expect(decision).toEqual({ kind: 'busy', reason: 'the slot is in use by process 7' });
  } else {
    expect(decision).toEqual({ kind: 'restart', reason: expect.stringMatching(row.expected) });
  }
});
