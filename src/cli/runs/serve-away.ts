/** `tidelock runs serve` off the home host: pages over a replica, to look at; one server for each host and user. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { hasCode } from '../../core/errors.ts';
import type { HomePlace } from '../../runs/database/home.ts';
import { type ServingAwayOptions, serveAway } from '../../runs/serving-away.ts';
import { shortPath } from '../options.ts';
import { type AwayRuns, openAway } from './away.ts';
import type { HomeFlags } from './home.ts';

export type ServeReplica = {
  readonly found: HomePlace;
  readonly flags: HomeFlags & { readonly json?: boolean };
  readonly prepare: () => Promise<Pick<ServingAwayOptions, 'config' | 'log'>>;
  readonly onEnd: ServingAwayOptions['onEnd'];
};

/** Null: another process of this host does so already, which is told. Throws what `openAway` and listening throw. */
export async function serveReplica(
  options: ServeReplica,
): Promise<{ readonly close: () => Promise<void> } | null> {
  const { found, flags } = options;
  const runs = await openAway({ found, token: flags.token, purpose: 'look' });
  try {
    const served = await start(options, runs);
    const close = async (): Promise<void> => {
      await served.close();
      await runs.close();
    };
    return { close };
  } catch (error) {
    await runs.close();
    if (!hasCode(error, 'LOG_IN_USE')) throw error;
    tellOther(options);
    return null;
  }
}

async function start({ found, flags, prepare, onEnd }: ServeReplica, { away, replica }: AwayRuns) {
  const { place, home, identity } = found;
  const { host } = identity;
  const means = { replica, away, dir: place.replicaDir, host, now: Date.now, onEnd };
  const served = await serveAway({ ...means, ...(await prepare()) });
  const { url } = served;
  const { pid } = process;
  writeFileSync(noteOf(found), JSON.stringify({ url, pid }));
  if (flags.json === true) {
    console.log(JSON.stringify({ ready: true, leads: false, home, url, pid }));
  } else {
    console.log(`${home} is the home of ${shortPath(place.area)}: a replica of its runs is shown at ${url}
actions are taken on ${home}: ${away.find()?.url ?? 'no server is known'}
stop with Ctrl-C`);
  }
  return served;
}

const noteOf = ({ place }: HomePlace): string => join(place.replicaDir, 'server.json');

function tellOther({ found, flags }: ServeReplica): void {
  const { url, pid } = JSON.parse(readFileSync(noteOf(found), 'utf8')) as Record<string, unknown>;
  const { host } = found.identity;
  if (flags.json === true) console.log(JSON.stringify({ ready: false, shown: { host, pid, url } }));
  else console.log(`process ${pid} on ${host} shows the replica already: ${url}`);
}
