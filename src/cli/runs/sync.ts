/** `tidelock runs sync --now`: what the local database has is made durable, by us or by whoever syncs. */
import type { Command } from 'commander';
import type { CopyMark } from '../../planner/run-durable.ts';
import { type Home, openHome } from '../../runs/database/home.ts';
import { addHomeFlags, type HomeFlags, homeOptionsOf } from './home.ts';
import { JSON_OPTION } from './session.ts';

type Flags = HomeFlags & { readonly now?: boolean; readonly json?: true };

const WAIT_MS_MAX = 30_000;
const LOOK_MS = 50;

export function register(runs: Command): void {
  const command = runs
    .command('sync')
    .description('wait until the durable database has what the local one has now');
  addHomeFlags(command)
    .option('--now', 'for scripts that say so; it is always now')
    .option(...JSON_OPTION)
    .action(run);
}

async function run(flags: Flags): Promise<void> {
  const options = homeOptionsOf(flags);
  const home = await openHome(options);
  const { seq } = home.store;
  const deadline = performance.now() + WAIT_MS_MAX;
  try {
    let mark = await home.durable.mark();
    while (seq > 0 && !isThere(mark, home, seq) && performance.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
      mark = await home.durable.mark();
    }
    const has = mark?.history === home.store.history ? Math.min(mark.seq, seq) : 0;
    if (flags.json === true) console.log(JSON.stringify({ durable: has, seq }));
    else console.log(`durable: change ${has} of ${seq}`);
    if (has < seq) process.exitCode = 1;
  } finally {
    await home.close();
  }
}

const isThere = (mark: CopyMark | null, { store }: Home, seq: number): boolean =>
  mark?.history === store.history && mark.seq >= seq;
