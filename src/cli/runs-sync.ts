/** `tidelock runs sync --now`: what the local database has is made durable, by us or by whoever syncs. */
import type { Command } from 'commander';
import { openLocal, startSync } from '../runs/home.ts';
import { addHomeFlags, type HomeFlags, homeOptionsOf } from './runs-home.ts';

type Flags = HomeFlags & { readonly now?: boolean };

const WAIT_MS_MAX = 30_000;
const LOOK_MS = 50;

export function register(runs: Command): void {
  const command = runs
    .command('sync')
    .description('wait until the durable database has what the local one has now');
  addHomeFlags(command).option('--now', 'for scripts that say so; it is always now').action(run);
}

async function run(flags: Flags): Promise<void> {
  const options = homeOptionsOf(flags);
  const home = startSync(await openLocal(options), options);
  const { seq } = home.store;
  const deadline = performance.now() + WAIT_MS_MAX;
  try {
    for (;;) {
      const mark = await home.durable.mark();
      if (mark?.history === home.store.history && mark.seq >= seq) break;
      if (seq === 0 || performance.now() > deadline) break;
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
    const mark = await home.durable.mark();
    console.log(`durable: change ${mark?.seq ?? 0} of ${seq}`);
    if ((mark?.seq ?? 0) < seq) process.exitCode = 1;
  } finally {
    await home.close();
  }
}
