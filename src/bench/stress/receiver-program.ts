/** The receiver as a program: settings come with the command, orders and news go over the channel to main. */
import { Receiver } from './receiver.ts';
import type { ReceiverNews, ReceiverOrder, ReceiverSettings } from './receiver-news.ts';

/** Runs until main tells it to end, or is gone. */
export async function runReceiver(settings: ReceiverSettings): Promise<void> {
  const ended = Promise.withResolvers<void>();
  const post = (news: ReceiverNews): void => {
    process.send?.(news);
    if (news.kind === 'finished') ended.resolve();
  };
  const receiver = new Receiver(settings, post);
  process.on('message', (order) => {
    receiver.obey(order as ReceiverOrder).catch((error: unknown) => ended.reject(error));
  });
  process.once('SIGTERM', () => ended.resolve());
  await receiver.start();
  await ended.promise;
  process.disconnect?.();
}
