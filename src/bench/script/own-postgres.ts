/** A Postgres for one script or test file alone, to be killed, frozen and rewound. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EmbeddedPostgres } from '../../postgres/embedded.ts';
import { PlainSession } from '../../postgres/plain-session.ts';

export type OwnPostgres = {
  readonly postgres: EmbeddedPostgres;
  /** All its processes stand still until the function that it resolves with is called. */
  freeze(): Promise<() => void>;
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
      freeze: () => freeze(postgres),
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

/** The postmaster first, so that no process is added to those that are known. */
async function freeze({ url, pid }: EmbeddedPostgres): Promise<() => void> {
  const session = await PlainSession.connect(url);
  process.kill(pid, 'SIGSTOP');
  const answer = await session.run('SELECT pid FROM pg_stat_activity');
  const rows = answer.kind === 'results' ? (answer.results[0]?.rows ?? []) : [];
  const pids = rows.map(([one]) => Number(one));
  for (const one of pids) process.kill(one, 'SIGSTOP');
  return () => {
    for (const one of [pid, ...pids]) process.kill(one, 'SIGCONT');
    void session.end();
  };
}
