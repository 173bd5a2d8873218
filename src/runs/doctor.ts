/** Looks at an area and its run database, and says what stands in the way, each with what to do. */
import { accessSync, constants, existsSync, readdirSync, statfsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Area, Finding as Note } from '../area/types.ts';
import { messageOf } from '../core/errors.ts';
import type { RunRow, TestRow } from '../planner/rows.ts';
import type { RunStore } from '../planner/run-store.ts';
import { isActive } from '../planner/states.ts';
import { type Finding, fail, ok, warn } from '../postgres/findings.ts';
import { leavesOf } from '../report/results.ts';
import { checkRunFile } from '../sqlite/runs/check-file.ts';
import type { Home } from './database/home.ts';
import { readDiscovery } from './database/leader.ts';
import { type HostIdentity, isAlive } from './processes/host.ts';
import { readQuarantine } from './quarantine.ts';

/** A local database that is less behind than this is as it should be. */
const AGE_MS_MAX = 5000;
/** Warnings of the configuration, folders: so many are named. */
const NAMED_MAX = 10;

export type Examined = {
  readonly area: Area;
  readonly notes: readonly Note[];
  readonly home: Home;
  /** Milliseconds since 1970. */
  readonly now: number;
  /** A path as the user sees it, and a command of ours. */
  readonly pathText: (path: string) => string;
  readonly commandText: (...words: readonly string[]) => string;
};

/** In the order in which they are best mended. */
export function examineRuns(of: Examined): readonly Finding[] {
  return [
    ...areaFindings(of),
    ...diskFindings(of),
    ...databaseFindings(of),
    syncFinding(of),
    serverFinding(of),
    ...deadFindings(of),
    leftoverFinding(of),
  ];
}

function areaFindings({ area, notes, pathText }: Examined): readonly Finding[] {
  const told = notes.slice(0, NAMED_MAX).map(({ message, origin }) => {
    const place = `${pathText(origin.file)}:${origin.line}`;
    return warn('area', place, message, `mend the line, or remove it: ${place}`);
  });
  const count = `${area.tests.size} tests`;
  const found =
    area.tests.size === 0
      ? fail('area', count, 'there is nothing to run', 'make one: tidelock runs new test NAME')
      : ok('area', count);
  return [found, ...told, quarantineFinding(area)];
}

function quarantineFinding({ home }: Area): Finding {
  try {
    return ok('quarantine', `${readQuarantine(home).length} entries`);
  } catch (error) {
    return fail('quarantine', messageOf(error), 'no run starts', 'mend this line');
  }
}

function diskFindings({ area, pathText }: Examined): readonly Finding[] {
  return area.disks.map(({ name, path }) => {
    const check = `disk ${name}`;
    if (!existsSync(path)) return ok(check, `${pathText(path)}: made by the first run`);
    try {
      accessSync(path, constants.W_OK | constants.X_OK);
    } catch (error) {
      return fail(check, messageOf(error), 'no test can work there', `chmod u+wx ${path}`);
    }
    const { bavail, bsize } = statfsSync(path);
    const free = bavail * bsize;
    const found = `${pathText(path)}: ${Math.floor(free / 2 ** 20)} MiB free`;
    if (free >= area.settings.minSpaceBytes) return ok(check, found);
    const needs = `[setup] minspace wants ${area.settings.minSpaceBytes} bytes: nothing starts there`;
    return fail(check, found, needs, 'remove runs: tidelock runs prune --keep 10');
  });
}

function databaseFindings({ home, pathText }: Examined): readonly Finding[] {
  const { localFile, durableFile } = home.place;
  const files = [localFile, ...(existsSync(durableFile) ? [durableFile] : [])];
  return files.map((file) => {
    const check = file === localFile ? 'local database' : 'durable database';
    const [first, ...more] = checkRunFile(file);
    if (first === undefined) return ok(check, `${pathText(file)}: whole`);
    const found = `${first}${more.length === 0 ? '' : ` and ${more.length} more`}`;
    const remedy =
      file === localFile
        ? `end all that run, then: mv ${file} ${file}.broken (it is filled from the durable one)`
        : `end all that run, then: mv ${file} ${file}.broken (it is written anew from the local one)`;
    return fail(check, found, 'the file is damaged', remedy);
  });
}

function syncFinding({ home, commandText }: Examined): Finding {
  const { ageMs, durable, error } = home.syncer.status;
  if (ageMs <= AGE_MS_MAX) return ok('sync', `${durable}: ${ageMs} ms behind`);
  const found = `${durable}: ${(ageMs / 1000).toFixed(1)} s behind${error === null ? '' : `: ${error}`}`;
  const meaning = 'what is newer is lost with the temp folder';
  return fail('sync', found, meaning, commandText('sync', '--now'));
}

function serverFinding({ home, pathText }: Examined): Finding {
  const { discoveryFile } = home.place;
  const server = readDiscovery(discoveryFile);
  if (server === null) return ok('server', 'none');
  const { runners = [] } = home.store.read({ kind: 'runners' });
  const found = `${server.url} (process ${server.pid} on ${server.host})`;
  if (server.host !== home.identity.host || runners.some(({ pid }) => pid === server.pid))
    return ok('server', found);
  const meaning = 'its file is there, and no runner of it';
  return warn('server', found, meaning, `when it has ended: rm ${pathText(discoveryFile)}`);
}

export type Orphaned = { readonly run: RunRow; readonly tests: readonly TestRow[] };

/** Executions that are under way, of runs that nobody has under way. */
export function orphanedRuns(
  store: Pick<RunStore, 'read'>,
  here: HostIdentity,
  now: number,
): Orphaned[] {
  const live = new Set(
    (store.read({ kind: 'runners' }).runners ?? [])
      .filter((one) => (one.host === here.host ? isAlive(one) : one.leaseUntil > now))
      .map(({ id }) => id),
  );
  const tasks =
    store.read({ kind: 'tasks', states: ['claimed', 'running'], limit: 1000 }).tasks ?? [];
  const isHeld = (testId: number): boolean =>
    tasks.some((task) => task.testId === testId && live.has(task.leaseOwner ?? ''));
  return (store.read({ kind: 'runs' }).runs ?? []).flatMap((run) => {
    if (!Object.keys(run.counts).some((key) => isActive(keyed(key)))) return [];
    const rows = leavesOf(store.read({ kind: 'tests', runId: run.id }).tests ?? []);
    const tests = rows.filter((row) => isActive(row) && !isHeld(row.id));
    return tests.length === 0 ? [] : [{ run, tests }];
  });
}

function keyed(key: string): Parameters<typeof isActive>[0] {
  const [state = '', status = ''] = key.split('/');
  return { state, status } as Parameters<typeof isActive>[0];
}

function deadFindings({ home, now, commandText }: Examined): readonly Finding[] {
  const orphaned = orphanedRuns(home.store, home.identity, now);
  if (orphaned.length === 0) return [ok('executions', 'all that are under way have a runner')];
  return orphaned.map(({ run: { target, name }, tests }) =>
    fail(
      'executions',
      `${target} ${name}: ${tests.length} under way`,
      'their runner is gone',
      `go on with them: ${commandText('run', '--target', target, '--name', name)}, or end them: ${commandText('doctor', '--mark-incompletes')}`,
    ),
  );
}

/** Directories of runs that the database does not have. */
function leftoverFinding({ area, home, pathText }: Examined): Finding {
  const { runs = [] } = home.store.read({ kind: 'runs' });
  const known = new Set(
    runs.filter(({ state }) => state !== 'removed').map(({ target, name }) => `${target}/${name}`),
  );
  const found = area.disks.flatMap(({ path }) =>
    foldersAt(path, area.fields.length + 1)
      .filter((folder) => !known.has(folder))
      .map((folder) => join(path, folder)),
  );
  if (found.length === 0) return ok('folders', 'each belongs to a run');
  const named = found.slice(0, NAMED_MAX).map(pathText);
  const more = found.length > named.length ? ` and ${found.length - named.length} more` : '';
  const meaning = 'no run has these';
  return warn('folders', `${named.join(', ')}${more}`, meaning, `rm -r ${named.join(' ')}`);
}

/** Relative paths of the folders so deep below `root`. */
function foldersAt(root: string, depth: number): readonly string[] {
  let level: readonly string[] = [''];
  for (let deep = 0; deep < depth; deep++)
    level = level.flatMap((path) => childrenOf(join(root, path)).map((name) => join(path, name)));
  return level;
}

function childrenOf(folder: string): readonly string[] {
  if (!existsSync(folder) || !statSync(folder).isDirectory()) return [];
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name);
}
