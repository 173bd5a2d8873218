/**
 * Engine and HTTP server in a process of their own, which may kill itself at a named point.
 *
 *   node server-process.ts '<ServerSettings as JSON>'
 *
 * Tells its parent `listening`; takes a `Trap` for the time from then on.
 */
import { flushCompileCache } from 'node:module';
import { join } from 'node:path';
import { type Trap, Trapdoor } from '../../src/bench/script/trap.ts';
import { parseSelectorRule } from '../../src/core/selector.ts';
import { type EngineOptions, openEngine } from '../../src/engine/engine.ts';
import { systemClock } from '../../src/server/clock.ts';
import { DEFAULT_LIMITS, NO_TOKENS } from '../../src/server/config.ts';
import { createLog } from '../../src/server/log.ts';
import { createServer } from '../../src/server/server.ts';

export type ServerSettings = Pick<EngineOptions, 'policy' | 'limits' | 'merge'> & {
  readonly url: string;
  readonly dir: string;
  /** 0: any. */
  readonly port: number;
  /** Of slot and publication. */
  readonly name: string;
  /** Table -> selector rule. */
  readonly tables: Readonly<Record<string, string>>;
  /** Set from the start on. */
  readonly trap?: Trap | undefined;
};

export type ServerNews =
  | { readonly kind: 'listening'; readonly url: string }
  | { readonly kind: 'notice'; readonly notice: string };

function say(news: ServerNews): void {
  process.send?.(news);
}

async function run(settings: ServerSettings): Promise<void> {
  const trapdoor = new Trapdoor();
  trapdoor.set(settings.trap);
  process.on('message', (trap) => trapdoor.set(trap as Trap));
  process.on('disconnect', () => process.exit());
  const { url, dir, name, policy, limits, merge, port } = settings;
  const engine = await openEngine({
    ...{ url, policy, limits, merge, slot: name, publication: name, dir: join(dir, 'server') },
    tables: Object.entries(settings.tables).map(([table, rule]) => ({
      name: table,
      selector: parseSelectorRule(rule),
    })),
    crashPoint: trapdoor.pass,
    onNotice: (notice) => say({ kind: 'notice', notice }),
  });
  const server = createServer({
    engine,
    clock: systemClock,
    log: createLog('silent', () => undefined),
    config: {
      ...{ host: '127.0.0.1', port, heartbeatS: 1, tokens: NO_TOKENS, limits: DEFAULT_LIMITS },
    },
  });
  say({ kind: 'listening', url: (await server.listen()).url });
  flushCompileCache(); // it is killed, and would write it at its exit
}

if (import.meta.main) await run(JSON.parse(process.argv[2] ?? '{}') as ServerSettings);
