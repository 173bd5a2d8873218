/** Makes an execution ready: its place, its files, its environment, its record. */
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { launcherFor } from '../../area/launchers.ts';
import type { Area, Environment, Item, TestDef } from '../../area/types.ts';
import { TidelockError } from '../../core/errors.ts';
import { scriptName } from '../../planner/rerun.ts';
import { copyByCommand } from './copy-command.ts';
import { type Room, roomOn } from './disk-room.ts';
import {
  attemptVariables,
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

export type RoomFor = {
  readonly place: Place;
  readonly layers: EnvironmentLayers;
  /** Where an earlier attempt has worked: it stays there while that disk is one of the area's and has room. */
  readonly before: string | null;
};

/** Where it will work; the database knows it before anything is made. */
export async function findRoom(
  area: Area,
  def: TestDef | null,
  { place, layers, before }: RoomFor,
): Promise<Room> {
  const path = placePath(place);
  const { settings, home } = area;
  const disks = def?.disks ?? area.disks;
  const { freeSpaceCommand } = settings;
  const env = freeSpaceCommand === null ? {} : earlyEnvironment(area, place, layers);
  const minSpaceBytes = Math.max(settings.minSpaceBytes, def?.diskSpaceBytes ?? 0);
  const same = disks.find((disk) => join(disk.path, path) === before)?.path ?? null;
  const room = await roomOn({ disks, same, minSpaceBytes, freeSpaceCommand, home, env });
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
  /** Ends the command that fills it. */
  readonly signal: AbortSignal;
};

/**
 * Makes the work area and fills it. `def` was read with `env`, the whole environment of the execution. The record
 * comes last: where it is missing, nothing has run.
 */
export async function prepare(
  launch: Launch,
  { def, env, layers, isClean, nested, signal }: Preparation,
  { area, now }: LaunchMeans,
): Promise<LaunchRecord> {
  const { place, runDir } = launch;
  const disk = runDir.slice(0, -placePath(place).length - 1);
  const { isNew } = makeWorkArea({ disk, linkTree: area.linkTree, isClean, nested }, place);
  await fill(launch, { area, env, isNew, nested, signal });
  return begin(recordOf(launch, { def, env, layers }, { area, now }));
}

/**
 * Makes an execution ready in the work area that it has: nothing is copied. `as`: what it is to be launched with.
 * Throws `RUN_FAILED` when the work area is gone.
 */
export function prepareAgain(as: LaunchRecord, { attempt }: Launch, now: number): LaunchRecord {
  const { runDir, testId } = as;
  if (!existsSync(runDir)) {
    throw new TidelockError({
      code: 'RUN_FAILED',
      message: `its work area ${runDir} is gone: there is nothing to go on from`,
      hint: 'run it again as a whole: tidelock runs rerun --all --pattern',
    });
  }
  const own = attemptVariables({ runDir, testId, attempt, calls: callsFile(runDir, attempt) });
  return begin({ ...as, attempt, startedAt: now, env: { ...as.env, ...own } });
}

/** What is left of earlier attempts in the logs of steps that run goes. */
function begin(record: LaunchRecord): LaunchRecord {
  const { runDir, steps, env } = record;
  for (const { log, kept } of steps)
    if (kept === undefined) rmSync(join(runDir, log), { force: true });
  dumpEnvironment(runDir, env);
  writeRecord(record);
  return record;
}

/** What the configuration that was read says. */
export function recordOf(
  launch: Launch,
  { def, env, layers }: Pick<Preparation, 'def' | 'env' | 'layers'>,
  { area, now }: Pick<LaunchMeans, 'area' | 'now'>,
): LaunchRecord {
  const { place, runDir, runId, testId, attempt } = launch;
  const steps = stepsOf(def);
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
  return {
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
}

type Filling = Pick<Preparation, 'env' | 'nested' | 'signal'> & {
  readonly area: Area;
  readonly isNew: boolean;
};

async function fill(
  { directory, runDir, attempt }: Launch,
  { area, env, isNew, nested, signal }: Filling,
): Promise<void> {
  const { copyCommand } = area.settings;
  if (copyCommand === null) return await copyTest(directory, runDir, isNew, nested);
  const logFolder = controlFolder(runDir, attempt);
  const copy = { command: copyCommand, from: directory, to: runDir, env, logFolder, signal };
  await copyByCommand(copy);
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
            ...{ name: scriptName(runScript), command: runScript },
            ...{ rules: null, ignoresExit: false, isScript: true },
            log: logName(scriptName(runScript)),
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
