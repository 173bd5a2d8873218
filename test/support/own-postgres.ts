/** A Postgres for one test file alone, to be killed, frozen and rewound. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EmbeddedPostgres } from '../../src/postgres/embedded.ts';

export type OwnPostgres = {
  readonly postgres: EmbeddedPostgres;
  /** Keeps a copy of the server's files as they are; it must be stopped. */
  keepCopy(): void;
  /** Puts the copy in the place of the files; it must be stopped. */
  goBack(): void;
  end(): Promise<void>;
};

export async function startOwnPostgres(settings: Record<string, string>): Promise<OwnPostgres> {
  const dir = mkdtempSync(join(tmpdir(), 'tidelock-own-'));
  const remove = (): void => rmSync(dir, { recursive: true, force: true });
  try {
    const postgres = await EmbeddedPostgres.start({ dir, settings });
    const end = async (): Promise<void> => {
      await postgres.stop();
      remove();
    };
    const [data, copy] = [join(dir, 'data'), join(dir, 'copy')];
    return {
      postgres,
      keepCopy: () => void execFileSync('cp', ['-a', data, copy]), // with owners, unlike cpSync
      goBack: () => {
        rmSync(data, { recursive: true });
        renameSync(copy, data);
      },
      end,
    };
  } catch (error) {
    remove();
    throw error;
  }
}
