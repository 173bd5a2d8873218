/**
 * A replica that writes, in a process of its own, which may kill itself at a named point.
 *
 *   node twoway-process.ts '<TwowaySettings as JSON>'
 *
 * Tells its parent what happens; takes a `Trap`, `{ write: sql }` (one local transaction), or `{ sync: true }`.
 */

import { type Trap, Trapdoor } from '../../src/bench/script/trap.ts';
import { messageOf } from '../../src/core/errors.ts';
import { openReplicaWith } from '../../src/replica.ts';

export type TwowaySettings = {
  readonly server: string;
  readonly file: string;
  readonly token?: string | undefined;
  /** Set from the start on. */
  readonly trap?: Trap | undefined;
};

export type TwowayCommand = Trap | { readonly write: string } | { readonly sync: true };

export type TwowayNews =
  | { readonly kind: 'ready' }
  /** The local transaction is committed. */
  | { readonly kind: 'written'; readonly sql: string }
  | { readonly kind: 'synced'; readonly sent: number; readonly received: number }
  | { readonly kind: 'failed'; readonly message: string };

function say(news: TwowayNews): void {
  process.send?.(news);
}

async function run({ trap, ...options }: TwowaySettings): Promise<void> {
  const trapdoor = new Trapdoor();
  trapdoor.set(trap);
  process.on('disconnect', () => process.exit());
  const opening = openReplicaWith(
    { ...options, write: true },
    { heartbeatS: 1, leaseReportMs: 50, retryMsMax: 200, crashPoint: trapdoor.pass },
  );
  const act = async (command: TwowayCommand): Promise<void> => {
    if ('point' in command) {
      trapdoor.set(command);
      return;
    }
    const replica = await opening;
    if ('write' in command) {
      await replica.transaction((db) => db.exec(command.write));
      say({ kind: 'written', sql: command.write });
      return;
    }
    const { sent, received } = await replica.sync();
    say({ kind: 'synced', sent, received });
  };
  process.on('message', (command: TwowayCommand) => {
    act(command).catch((error: unknown) => say({ kind: 'failed', message: messageOf(error) }));
  });
  await opening;
  say({ kind: 'ready' });
}

if (import.meta.main) await run(JSON.parse(process.argv[2] ?? '{}') as TwowaySettings);
