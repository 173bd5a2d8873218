/** A server of Lockstep streams in a process of its own. */
import { fileURLToPath } from 'node:url';
import { timerClock } from '../../../src/lockstep/clock.ts';
import { PollingRowStreams } from '../../../src/lockstep/row-streams.ts';
import { systemClock } from '../../../src/server/clock.ts';
import { DEFAULT_LIMITS, NO_TOKENS } from '../../../src/server/config.ts';
import { createRowServer } from '../../../src/server/lockstep/row-server.ts';
import { createLog } from '../../../src/server/log.ts';
import type { Part } from './parts.ts';
import { answer, Peer } from './peer.ts';

const ROLE = 'lockstep-server';

export type LockstepStart = { readonly url: string; readonly pollMs: number };

export function startLockstepServer(): Part {
  return new Peer(fileURLToPath(import.meta.url), ROLE);
}

function serve(): void {
  let streams: PollingRowStreams | null = null;
  answer({
    start: async ({ url, pollMs }: LockstepStart) => {
      streams = new PollingRowStreams({
        ...{ url, clock: timerClock, allowed: null, pollMs, wakeMs: 1, copiesMax: 8 },
      });
      const server = createRowServer({
        streams,
        clock: systemClock,
        log: createLog('silent', () => undefined),
        config: {
          ...{ host: '127.0.0.1', port: 0, heartbeatS: 5 },
          ...{ tokens: NO_TOKENS, limits: DEFAULT_LIMITS },
        },
      });
      return (await server.listen()).url;
    },
    wake: () => streams?.wake(),
  });
}

if (process.argv.includes(ROLE)) serve();
