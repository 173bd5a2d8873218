/**
 * One embedded Postgres for the whole integration run. A test file takes its URL with
 * `inject('postgresUrl')` and makes a database of its own.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { EmbeddedPostgres } from '../../src/postgres/embedded.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    /** Superuser URL of database `postgres`; the server has room for 20 replication slots. */
    postgresUrl: string;
  }
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const dir = mkdtempSync(join(tmpdir(), 'tidelock-test-'));
  const clean = (): void => rmSync(dir, { recursive: true, force: true });
  // Nothing here outlives the run, so the disk need not be waited for.
  const starting = EmbeddedPostgres.start({ dir, settings: { fsync: 'off' } });
  const postgres = await starting.catch((error) => {
    clean();
    throw error;
  });
  project.provide('postgresUrl', postgres.url);
  return async () => {
    await postgres.stop();
    clean();
  };
}
