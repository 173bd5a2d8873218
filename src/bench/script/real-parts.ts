/** What a script over the whole product has started. */
import type { BugName } from '../stress/bugs/catalog.ts';
import type { PostgresLink } from './postgres-link.ts';
import type { RealPostgres } from './real-postgres.ts';
import type { RealReplica } from './real-replica.ts';
import type { RealServer } from './real-server.ts';

export type RealParts = {
  readonly dir: string;
  /** A bug in server and replicas; null outside of tests. */
  readonly plant: BugName | null;
  readonly postgres: RealPostgres;
  readonly server: RealServer;
  /** From Postgres to the server. */
  readonly source: PostgresLink;
  readonly replicas: ReadonlyMap<string, RealReplica>;
  readonly signal: AbortSignal;
};
