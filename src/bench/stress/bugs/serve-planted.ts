/** The frame of a server with a planted bug: the product's own parts, with whatever the bug puts between them. */
import type { Engine } from '../../../engine/api.ts';
import { type EngineOptions, openEngine } from '../../../engine/engine.ts';
import { systemClock } from '../../../server/clock.ts';
import { DEFAULT_LIMITS, NO_TOKENS } from '../../../server/config.ts';
import { createLog } from '../../../server/log.ts';
import { createServer } from '../../../server/server.ts';

export type PlantedServerPlace = {
  readonly postgres: string;
  readonly port: number;
  /** Folder of its log. */
  readonly data: string;
};

export type PlantedServerCourse = {
  readonly signal: AbortSignal;
  readonly onReady: (url: string) => void;
  /** They sign tokens; without any, none are needed. */
  readonly secrets?: readonly string[];
};

/** Where a bug may stand. */
export type PlantedParts = Pick<EngineOptions, 'wrapLog' | 'wrapHandler'> & {
  readonly wrapEngine: (engine: Engine) => Engine;
};

const HOST = '127.0.0.1';
const HEARTBEAT_S = 5;

/** Serves until `signal` aborts; `onReady` gets the address. Notices go to stderr, as those of the real one. */
export async function servePlanted(
  { postgres, port, data }: PlantedServerPlace,
  { wrapEngine, ...wraps }: PlantedParts,
  { signal, onReady, secrets = [] }: PlantedServerCourse,
): Promise<void> {
  const engine = await openEngine({
    ...{ url: postgres, dir: data, ...wraps },
    onNotice: (notice) => process.stderr.write(`${notice}\n`),
  });
  const server = createServer({
    engine: wrapEngine(engine),
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
