/** Makes an execution ready: its place, its files, its environment, its record. */
import { rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { launcherFor } from '../area/launchers.ts';
import type { Area, Environment, Item, TestDef } from '../area/types.ts';
import { copyByCommand } from './copy-command.ts';
import { type Room, roomOn } from './disk-room.ts';
import {
  dumpEnvironment,
  type EnvironmentLayers,
  earlyEnvironment,
  environmentOf,
  type TestSurroundings,
} from './environment.ts';
import {
  callsFile,
  controlFolder,
  type LaunchedBy,
  type LaunchRecord,
  type LaunchStep,
  writeRecord,
} from './launch-record.ts';
import { noteVariables } from './told-variables.ts';
import { copyTest, makeWorkArea, type Place, placePath } from './work-area.ts';

/** Megatest's own shell; areas of its kind may rely on it. */
const COMPATIBLE_SHELL = '/bin/bash';
const NATIVE_SHELL = 'sh';
/** Of `[hosts]`, for the command of a launcher. */
const HOST_VARIABLE = 'TIDELOCK_HOST';
const LOG_CHARS_MAX = 100;

export type LaunchMeans = {
  readonly area: Area;
  readonly helperFolder: string;
  readonly program: string;
  readonly now: () => number;
};

export type Launch = {
  readonly runId: number;
  readonly testId: number;
  readonly attempt: number;
  readonly place: Place;
  readonly item: Item | null;
  readonly directory: string;
  readonly runDir: string;
};

/** Where it will work; the database knows it before anything is made. */
export async function findRoom(
  area: Area,
  def: TestDef | null,
  { place, layers }: { readonly place: Place; readonly layers: EnvironmentLayers },
): Promise<Room> {
  const path = placePath(place);
  const { settings, disks, home } = area;
  const { freeSpaceCommand } = settings;
  const env = freeSpaceCommand === null ? {} : earlyEnvironment(area, place, layers);
  const minSpaceBytes = Math.max(settings.minSpaceBytes, def?.diskSpaceBytes ?? 0);
  const question = { disks: def?.disks ?? disks, minSpaceBytes, freeSpaceCommand, home, env };
  const room = await roomOn(question);
  return room.kind === 'found' ? { ...room, path: join(room.path, path) } : room;
}

export function environmentFor(
  launch: Launch,
  layers: EnvironmentLayers,
  { area, helperFolder, program }: LaunchMeans,
): Environment {
  const { place, item, testId, attempt, runDir } = launch;
  const surroundings: TestSurroundings = {
    ...{ area, place, item, testId, attempt, runDir, helperFolder, program },
    testDirectory: launch.directory,
    calls: callsFile(runDir, attempt),
  };
  return environmentOf(surroundings, layers);
}

export type Preparation = {
  readonly layers: EnvironmentLayers;
  readonly def: TestDef;
  readonly env: Environment;
  readonly isClean: boolean;
  /** Work areas of other items inside of it. */
  readonly nested: readonly string[];
};

/**
 * Makes the work area and fills it. `def` was read with `env`, the whole environment of the execution. The record
 * comes last: where it is missing, nothing has run.
 */
export async function prepare(
  launch: Launch,
  { def, env, layers, isClean, nested }: Preparation,
  { area, now }: LaunchMeans,
): Promise<LaunchRecord> {
  const { place, runDir, runId, testId, attempt } = launch;
  const disk = runDir.slice(0, -placePath(place).length - 1);
  const { isNew } = makeWorkArea({ disk, linkTree: area.linkTree, isClean, nested }, place);
  await fill(launch, { area, env, isNew, nested });
  const steps = stepsOf(def);
  if (!isNew) for (const { log } of steps) rmSync(join(runDir, log), { force: true });
  const launchEnv = Object.fromEntries(def.launchEnvironment.map(({ key, value }) => [key, value]));
  const launcher = launchedBy(launch, area);
  const host = launcher?.host ?? null;
  const shell = area.isCompatible ? COMPATIBLE_SHELL : NATIVE_SHELL;
  const hostEnv: Environment = host === null ? {} : { [HOST_VARIABLE]: host };
  const whole = {
    ...env,
    ...launchEnv,
    ...hostEnv,
    TIDELOCK_SHELL: shell === 'sh' ? '/bin/sh' : shell,
  };
  dumpEnvironment(runDir, whole);
  const record: LaunchRecord = {
    ...{ runId, testId, place, attempt, runDir, shell, launcher, env: whole, steps },
    timeLimitS: def.runTimeLimitS ?? area.runTimeLimitS,
    isCompatible: area.isCompatible,
    startedAt: now(),
    ...{ waivers: def.waivers, triggers: def.triggers },
    ...noteVariables({
      ...{ env: whole, layers, launchEnvironment: launchEnv },
      ...{ fields: area.fields, item: launch.item },
    }),
  };
  writeRecord(record);
  return record;
}

type Filling = Pick<Preparation, 'env' | 'nested'> & {
  readonly area: Area;
  readonly isNew: boolean;
};

async function fill(
  { directory, runDir, attempt }: Launch,
  { area, env, isNew, nested }: Filling,
): Promise<void> {
  const { copyCommand } = area.settings;
  if (copyCommand === null) return await copyTest(directory, runDir, isNew, nested);
  const logFolder = controlFolder(runDir, attempt);
  await copyByCommand({ command: copyCommand, from: directory, to: runDir, env, logFolder });
}

/** With the host that it is to start on, where the area has several. */
function launchedBy(
  { place: { test, itemPath }, testId }: Launch,
  { settings }: Area,
): (LaunchedBy & { readonly host: string | null }) | null {
  const found = launcherFor(settings.launchers, { test, itemPath, turn: testId });
  return found === null ? null : { ...found, deadTimeS: settings.deadTimeS };
}

/** A script first, then the steps; the script decides about its own state when it is alone. */
function stepsOf({ runScript, steps }: TestDef): readonly LaunchStep[] {
  const script: readonly LaunchStep[] =
    runScript === null
      ? []
      : [
          {
            ...{ name: basename(runScript.split(' ')[0] ?? 'script'), command: runScript },
            ...{ rules: null, ignoresExit: false, isScript: true },
            log: logName(basename(runScript.split(' ')[0] ?? 'script')),
          },
        ];
  const plain = steps.map(({ name, command, rules, ignoresExit }) => {
    return { name, command, rules, ignoresExit, isScript: false, log: logName(name) };
  });
  return [...script, ...plain];
}

/** A step's name may hold anything; a file's may not. */
function logName(step: string): string {
  const name = step.replace(/[^\w.+@=-]/g, '_').slice(0, LOG_CHARS_MAX);
  return `${/^\.*$/.test(name) ? 'step' : name}.log`;
}
