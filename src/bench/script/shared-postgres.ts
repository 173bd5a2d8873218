/** A Postgres of its own for all scripts of a run, started when the first one needs it. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EmbeddedPostgres } from '../../postgres/embedded.ts';

export class SharedPostgres {
  #starting: Promise<EmbeddedPostgres> | null = null;
  #dir = '';

  /** Superuser URL. */
  readonly url = async (): Promise<string> => {
    this.#starting ??= this.#start();
    return (await this.#starting).url;
  };

  #start(): Promise<EmbeddedPostgres> {
    this.#dir = mkdtempSync(join(tmpdir(), 'tidelock-script-'));
    // Nothing here outlives the run, so the disk need not be waited for.
    return EmbeddedPostgres.start({ dir: this.#dir, settings: { fsync: 'off' } });
  }

  async close(): Promise<void> {
    if (this.#starting === null) return;
    await (await this.#starting.catch(() => null))?.stop();
    rmSync(this.#dir, { recursive: true, force: true });
  }
}
