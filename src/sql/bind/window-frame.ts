/** The frame of a window, in SQLite's words, which are PostgreSQL's. */
import { notSupported } from '../errors.ts';
import type { Node, WindowDef } from '../pg-parser.ts';

export type Frame = {
  readonly text: string;
  /** Counted in rows, whatever ORDER BY says of them. */
  readonly isByRows: boolean;
  readonly startsUnbounded: boolean;
  readonly endsUnbounded: boolean;
};

/** Source: `FRAMEOPTION_` in PostgreSQL's `parsenodes.h`. */
const BIT = {
  nonDefault: 0x1,
  rows: 0x4,
  groups: 0x8,
  startUnbounded: 0x20,
  endUnbounded: 0x100,
  startCurrent: 0x200,
  endCurrent: 0x400,
  startBefore: 0x800,
  endBefore: 0x1000,
  startAfter: 0x2000,
  endAfter: 0x4000,
  exclusions: 0x38000,
} as const;

export function readFrame(definition: WindowDef, offset: number | undefined): Frame {
  const options = definition.frameOptions ?? 0;
  const has = (bit: number): boolean => (options & bit) !== 0;
  if (!has(BIT.nonDefault)) {
    return { text: '', isByRows: false, startsUnbounded: true, endsUnbounded: false };
  }
  if (has(BIT.exclusions)) throw notSupported('EXCLUDE in a window', offset);
  const mode = has(BIT.rows) ? 'ROWS' : has(BIT.groups) ? 'GROUPS' : 'RANGE';
  const distance = (node: Node | undefined): string => {
    if (mode === 'RANGE') throw notSupported('RANGE with a distance', offset);
    const number = node !== undefined && 'A_Const' in node ? node.A_Const.ival : undefined;
    if (number === undefined) throw notSupported('a frame whose distance is not written', offset);
    return String(number.ival ?? 0);
  };
  const start = has(BIT.startUnbounded)
    ? 'UNBOUNDED PRECEDING'
    : has(BIT.startCurrent)
      ? 'CURRENT ROW'
      : `${distance(definition.startOffset)} ${has(BIT.startBefore) ? 'PRECEDING' : 'FOLLOWING'}`;
  const end = has(BIT.endUnbounded)
    ? 'UNBOUNDED FOLLOWING'
    : has(BIT.endCurrent)
      ? 'CURRENT ROW'
      : `${distance(definition.endOffset)} ${has(BIT.endBefore) ? 'PRECEDING' : 'FOLLOWING'}`;
  return {
    text: `${mode} BETWEEN ${start} AND ${end}`,
    isByRows: mode === 'ROWS',
    startsUnbounded: has(BIT.startUnbounded),
    endsUnbounded: has(BIT.endUnbounded),
  };
}
