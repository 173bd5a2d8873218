/** The receiver as a program: settings come with the command, orders and news go over the channel to main. */
import { Receiver } from './receiver.ts';
import type { ReceiverNews, ReceiverOrder, ReceiverSettings } from './receiver-news.ts';

/** Runs until main ends it, or is gone. */
export async function runReceiver(settings: ReceiverSettings): Promise<void> {
  const ended = Promise.withResolvers<void>();
  const receiver = new Receiver(settings, (news: ReceiverNews) => void process.send?.(news));
  process.on('message', (order) => {
    receiver.obey(order as ReceiverOrder).catch((error: unknown) => ended.reject(error));
  });
  process.once('SIGTERM', () => ended.resolve());
  await receiver.start();
  await ended.promise;
  // Not by disconnecting: to the launcher's child that means that main is gone.
  process.exit();
}
