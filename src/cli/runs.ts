/** `tidelock runs`: tests of an area as a managed run. One file per group of verbs; this one only lists them. */
import type { Command } from 'commander';
import { register as registerActions } from './runs-actions.ts';
import { register as registerConfig } from './runs-config.ts';
import { register as registerDoctor } from './runs-doctor.ts';
import { register as registerEnv } from './runs-env.ts';
import { addExamples } from './runs-help.ts';
import { register as registerInit } from './runs-init.ts';
import { register as registerKeep } from './runs-keep.ts';
import { register as registerList } from './runs-list.ts';
import { register as registerLook } from './runs-look.ts';
import { register as registerMegatest } from './runs-megatest.ts';
import { register as registerReplay } from './runs-replay.ts';
import { register as registerReplica } from './runs-replica.ts';
import { register as registerReport } from './runs-report.ts';
import { register as registerRun } from './runs-run.ts';
import { register as registerRunStatus } from './runs-run-status.ts';
import { register as registerServe } from './runs-serve.ts';
import { register as registerStatus } from './runs-status.ts';
import { register as registerStop } from './runs-stop.ts';
import { register as registerSync } from './runs-sync.ts';

export function register(program: Command): void {
  const runs = program.command('runs').description('run the tests of an area, and watch them');
  registerInit(runs);
  registerConfig(runs);
  registerRun(runs);
  registerActions(runs);
  registerRunStatus(runs);
  registerList(runs);
  registerLook(runs);
  registerReplay(runs);
  registerReport(runs);
  registerKeep(runs);
  registerServe(runs);
  registerStatus(runs);
  registerStop(runs);
  registerSync(runs);
  registerReplica(runs);
  registerDoctor(runs);
  registerEnv(runs);
  registerMegatest(runs, program);
  addExamples(runs);
}
