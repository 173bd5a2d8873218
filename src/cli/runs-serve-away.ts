/** `tidelock runs serve` off the home host: pages over a replica, to look at. */
import type { HomePlace } from '../runs/home.ts';
import { type ServingAwayOptions, serveAway } from '../runs/serving-away.ts';
import { shortPath } from './options.ts';
import { openAway } from './runs-away.ts';
import type { HomeFlags } from './runs-home.ts';

export type ServeReplica = {
  readonly found: HomePlace;
  readonly flags: HomeFlags & { readonly json?: boolean };
  readonly prepare: () => Promise<Pick<ServingAwayOptions, 'config' | 'log'>>;
  readonly onEnd: ServingAwayOptions['onEnd'];
};

/** Throws what `openAway` and listening throw. */
export async function serveReplica({
  found,
  flags,
  prepare,
  onEnd,
}: ServeReplica): Promise<{ readonly close: () => Promise<void> }> {
  const { place, home } = found;
  const { host } = found.identity;
  const { away, replica, close } = await openAway({ found, token: flags.token, purpose: 'look' });
  try {
    const means = { replica, away, dir: place.replicaDir, host, now: Date.now, onEnd };
    const served = await serveAway({ ...means, ...(await prepare()) });
    const { url } = served;
    if (flags.json === true) {
      console.log(JSON.stringify({ ready: true, leads: false, home, url, pid: process.pid }));
    } else {
      console.log(`${home} is the home of ${shortPath(place.area)}: a replica of its runs is shown at ${url}
actions are taken on ${home}: ${away.find()?.url ?? 'no server is known'}
stop with Ctrl-C`);
    }
    return {
      close: async () => {
        await served.close();
        await close();
      },
    };
  } catch (error) {
    await close();
    throw error;
  }
}
