/**
 * Engine and HTTP server of a script, in a process of their own: a crash is a real one.
 *
 *   node server-program.ts '<ServerSettings as JSON>'
 */
import { flushCompileCache } from 'node:module';
import { join } from 'node:path';
import { parseSelectorRule } from '../../core/selector.ts';
import { type EngineOptions, openEngine } from '../../engine/engine.ts';
import { systemClock } from '../../server/clock.ts';
import { DEFAULT_LIMITS, NO_TOKENS } from '../../server/config.ts';
import { createLog } from '../../server/log.ts';
import { createServer } from '../../server/server.ts';
import { LeapingClock } from '../leaping-clock.ts';
import type { BugName } from '../stress/bugs/catalog.ts';
import { plantedParts } from '../stress/bugs/planted-server.ts';
import { type Trap, Trapdoor } from './trap.ts';

export type ServerSettings = Pick<
  EngineOptions,
  'policy' | 'limits' | 'merge' | 'replicaIdentity'
> & {
  readonly url: string;
  readonly dir: string;
  /** 0: any. */
  readonly port: number;
  /** Of slot and publication. */
  readonly name: string;
  /** Table -> selector rule. */
  readonly tables: Readonly<Record<string, string>>;
  /** For HS256; null: no tokens. */
  readonly secret: string | null;
  /** By how much the wall clock is wrong. */
  readonly skewMs: number;
  /** Set from the start on. */
  readonly trap: Trap | null;
  /** For tests of the scripts: what they must find. */
  readonly plant: BugName | null;
};

export type ServerCommand =
  | { readonly kind: 'trap'; readonly trap: Trap }
  | { readonly kind: 'leap'; readonly ms: number }
  | { readonly kind: 'skew'; readonly ms: number }
  | { readonly kind: 'stop' };

export type ServerNews =
  | { readonly kind: 'listening'; readonly url: string }
  | { readonly kind: 'done' }
  | { readonly kind: 'failed'; readonly message: string }
  | { readonly kind: 'notice'; readonly notice: string };

function say(news: ServerNews): void {
  process.send?.(news);
}

async function run(settings: ServerSettings): Promise<void> {
  process.on('disconnect', () => process.exit());
  const trapdoor = new Trapdoor();
  trapdoor.set(settings.trap ?? undefined);
  const clock = new LeapingClock();
  clock.skew(settings.skewMs);
  const { url, dir, name, policy, limits, merge, replicaIdentity } = settings;
  const plant = settings.plant === null ? null : plantedParts(settings.plant);
  const engine = await openEngine({
    ...(plant === null ? {} : { wrapLog: plant.wrapLog, wrapHandler: plant.wrapHandler }),
    ...{ url, policy, limits, merge, replicaIdentity, clock, slot: name, publication: name },
    dir: join(dir, 'server'),
    tables: Object.entries(settings.tables).map(([table, rule]) => ({
      name: table,
      selector: parseSelectorRule(rule),
    })),
    crashPoint: trapdoor.pass,
    onNotice: (notice) => say({ kind: 'notice', notice }),
  });
  const server = createServer({
    engine: plant?.wrapEngine(engine) ?? engine,
    ...{
      clock: { ...systemClock, wallMs: () => clock.wallMicros() / 1000 },
      log: createLog('silent', () => undefined),
    },
    config: configOf(settings),
  });
  const stop = async (): Promise<void> => {
    await server.close();
    await engine.close();
    process.disconnect();
  };
  process.on('message', (command: ServerCommand) => {
    if (command.kind === 'stop') return void stop();
    if (command.kind === 'trap') trapdoor.set(command.trap);
    else if (command.kind === 'leap') clock.leap(command.ms);
    else clock.skew(command.ms);
    say({ kind: 'done' });
  });
  say({ kind: 'listening', url: (await server.listen()).url });
  flushCompileCache(); // it is killed, and would write it at its exit
}

function configOf({ port, secret }: ServerSettings) {
  return {
    ...{ host: '127.0.0.1', port, heartbeatS: 1, limits: DEFAULT_LIMITS },
    tokens: { ...NO_TOKENS, secrets: secret === null ? [] : [secret] },
  };
}

if (import.meta.main) await run(JSON.parse(process.argv[2] ?? '{}') as ServerSettings);
