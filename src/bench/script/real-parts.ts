/** What a script over the whole product has started. */
import type { RealPostgres } from './real-postgres.ts';
import type { RealReplica } from './real-replica.ts';
import type { RealServer } from './real-server.ts';

export type RealParts = {
  readonly dir: string;
  readonly postgres: RealPostgres;
  readonly server: RealServer;
  readonly replicas: ReadonlyMap<string, RealReplica>;
  readonly signal: AbortSignal;
};
