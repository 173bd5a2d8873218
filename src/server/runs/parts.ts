/** What the routes of a run manager share. */
import type { RunsStatus } from '../../protocol/runs.ts';
import type { Clock } from '../clock.ts';
import type { CallLine } from './call-line.ts';
import type { ChangeStreams } from './change-stream.ts';
import type { RunsPort } from './port.ts';

export type RunsParts = {
  readonly port: RunsPort;
  readonly line: CallLine;
  readonly streams: ChangeStreams;
  readonly clock: Clock;
  readonly status: () => RunsStatus;
  /** A reader that takes nothing for so long is cut off. */
  readonly stallMs: number;
};
