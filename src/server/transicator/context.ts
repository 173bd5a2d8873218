import type { TransicatorSource } from '../../engine/api.ts';
import type { TransicatorConfig } from '../config.ts';
import type { ServerContext } from '../context.ts';
import type { Log } from '../log.ts';

/** What the routes for Transicator's clients may use. */
export type TransicatorContext = ServerContext & {
  readonly source: TransicatorSource;
  readonly settings: TransicatorConfig;
  readonly log: Log;
};
