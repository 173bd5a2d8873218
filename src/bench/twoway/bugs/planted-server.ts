/** The server of a two-way run with a planted bug: the product's own parts, with the bug between them. */
import { openEngine } from '../../../engine/engine.ts';
import { systemClock } from '../../../server/clock.ts';
import { DEFAULT_LIMITS, NO_TOKENS } from '../../../server/config.ts';
import { createLog } from '../../../server/log.ts';
import { createServer } from '../../../server/server.ts';
import type { TwowayBugName } from './catalog.ts';
import { plantInEngine } from './engine-bugs.ts';

export type PlantedTwowayServer = {
  readonly bug: TwowayBugName;
  readonly postgres: string;
  readonly port: number;
  /** Folder of its log. */
  readonly data: string;
};

const HOST = '127.0.0.1';
const HEARTBEAT_S = 5;

/** Serves until `signal` aborts; `onReady` gets the address. `secrets` sign tokens. */
export async function runPlantedTwowayServer(
  { bug, postgres, port, data }: PlantedTwowayServer,
  how: {
    readonly signal: AbortSignal;
    readonly secrets: readonly string[];
    readonly onReady: (url: string) => void;
  },
): Promise<void> {
  const { signal, secrets, onReady } = how;
  const engine = await openEngine({
    ...{ url: postgres, dir: data },
    onNotice: (notice) => process.stderr.write(`${notice}\n`),
  });
  const server = createServer({
    engine: plantInEngine(bug, engine, postgres),
    clock: systemClock,
    log: createLog('info', (line) => process.stderr.write(`${line}\n`)),
    config: {
      ...{ host: HOST, port, heartbeatS: HEARTBEAT_S, limits: DEFAULT_LIMITS },
      tokens: { ...NO_TOKENS, secrets },
    },
  });
  try {
    onReady((await server.listen()).url);
    if (!signal.aborted) {
      await new Promise((stop) => signal.addEventListener('abort', stop, { once: true }));
    }
  } finally {
    await server.close();
    await engine.close();
  }
}
