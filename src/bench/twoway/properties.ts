/** What a two-way run is judged by. */
import { PROPERTIES } from '../stress/judge/findings.ts';

const { P2, P8, P11, P18, P19, P31 } = PROPERTIES;

export const TWOWAY_PROPERTIES = {
  P1: 'no accepted write is lost, and none is undone by one that did not know it',
  P2,
  P8,
  P9: 'who writes sees what he wrote',
  P10: 'who sees a write sees what its writer had seen',
  P11,
  P13: 'what was deleted does not come back',
  P14: 'of writes that did not know each other the same one wins, whoever comes first',
  P15: 'nobody is given a byte of a row that he may not see',
  P16: 'what the rules forbid changes nothing, and is told to its writer alone',
  P18,
  P19,
  P27: 'all databases end their work and catch up in time, without an unexpected error',
  P28: 'a database can be read and written while its server is away',
  P31,
} as const;
export type TwowayProperty = keyof typeof TWOWAY_PROPERTIES;

/** Without these a run is no pass. */
export const REQUIRED: readonly TwowayProperty[] = ['P1', 'P8', 'P9', 'P11', 'P27', 'P31'];
