/** A database as a program: settings come with the command, leave and news go over the channel to main. */
import { messageOf } from '../../core/errors.ts';
import { Worker } from './worker.ts';
import type { WorkerNews, WorkerOrder, WorkerSettings } from './worker-news.ts';

const EXIT_FAILED = 1;

/** Runs until main ends it, or is gone. */
export async function runWorker(settings: WorkerSettings): Promise<void> {
  const ended = Promise.withResolvers<void>();
  const worker = new Worker(settings, (news: WorkerNews) => void process.send?.(news));
  process.on('message', (order: WorkerOrder) => {
    if (order.kind === 'end') ended.resolve();
    else worker.obey(order);
  });
  process.once('SIGTERM', () => ended.resolve());
  try {
    await Promise.race([worker.run().then(() => ended.promise), ended.promise]);
    await worker.close();
  } catch (error) {
    const trouble = { t: Date.now() - settings.startedAtMs, iteration: 0, isCall: true } as const;
    const [code, message] = ['CRASH', `${messageOf(error)}\n${(error as Error).stack ?? ''}`];
    process.stderr.write(`[DB${settings.database}] error: ${message}\n`);
    await new Promise((sent) =>
      process.send?.({ kind: 'trouble', ...trouble, code, message } satisfies WorkerNews, sent),
    );
    process.exit(EXIT_FAILED);
  }
  // Not by disconnecting: to the launcher's child that means that main is gone.
  process.exit();
}
