/** Which run database a verb of `tidelock runs` means: the area's, on its home host. */
import { tmpdir } from 'node:os';
import type { Command } from 'commander';
import { readArea } from '../../area/area.ts';
import { textOf } from '../../area/entries.ts';
import type { Area } from '../../area/types.ts';
import type { DurableStore } from '../../planner/run-durable.ts';
import { readNow } from '../../runs/config-host.ts';
import type { HomeOptions } from '../../runs/database/home.ts';
import { homeOf } from './area.ts';

export type HomeFlags = {
  readonly area?: string;
  readonly durable?: string;
  readonly hostId?: string;
  readonly token?: string;
};

/** `--area`, `--durable`, `--host-id`, `--token`: of every verb that needs the database. */
export function addHomeFlags(command: Command): Command {
  return command
    .option('--area <dir>', 'the area; default: found upwards from here')
    .option(
      '--durable <path-or-url>',
      'the durable database: a file on a local disk, or postgres://',
    )
    .option('--host-id <name>', 'play another host on this machine')
    .option('--token <token>', "token for the area's server; default TIDELOCK_TOKEN");
}

/** The same flags again, for a command that is shown: without a password. */
export function homeWords({ area, durable, hostId }: HomeFlags): readonly string[] {
  const flag = (name: string, value: string | undefined): readonly string[] =>
    value === undefined ? [] : [name, value];
  const place = durable?.replace(/^(\w+:\/\/[^/:@]*):[^/@]*@/, '$1@');
  return [...flag('--area', area), ...flag('--durable', place), ...flag('--host-id', hostId)];
}

/** What the flags, the environment and the area's configuration say, in this order. */
export function homeOptionsOf(flags: HomeFlags): HomeOptions & { readonly config: Area } {
  const environment = Object.fromEntries(
    Object.entries(process.env).map(([name, value]) => [name, value ?? '']),
  );
  const home = homeOf(flags.area);
  const { area } = readNow(readArea({ home, environment }));
  const configured = textOf(area.config, 'setup', 'durable') ?? undefined;
  return {
    ...{
      area: home,
      config: area,
      tempDir: tmpdir(),
      hostId: flags.hostId ?? process.env.TIDELOCK_HOST_ID,
    },
    durable: flags.durable ?? process.env.TIDELOCK_DURABLE ?? configured,
    home: textOf(area.config, 'server', 'homehost') ?? undefined,
    acceptsAnyStatus: area.isCompatible,
    openDurable: openPostgres,
  };
}

/** Its driver is loaded only where it is wanted. */
async function openPostgres(url: string, area: string): Promise<DurableStore> {
  const { DurablePostgres } = await import('../../postgres/runs/durable.ts');
  return new DurablePostgres(url, area);
}
