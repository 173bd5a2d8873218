/** `tidelock runs`: tests of an area as a managed run. One file per group of verbs; this one only lists them. */
import type { Command } from 'commander';
import { register as registerActions } from './actions.ts';
import { register as registerConfig } from './config.ts';
import { register as registerDoctor } from './doctor.ts';
import { register as registerEnv } from './env.ts';
import { addExamples } from './help.ts';
import { register as registerInit } from './init.ts';
import { register as registerKeep } from './keep.ts';
import { register as registerList } from './list.ts';
import { register as registerLook } from './look.ts';
import { register as registerMegatest } from './megatest.ts';
import { register as registerReplay } from './replay.ts';
import { register as registerReplica } from './replica.ts';
import { register as registerReport } from './report.ts';
import { register as registerRun } from './run.ts';
import { register as registerRunStatus } from './run-status.ts';
import { register as registerServe } from './serve.ts';
import { register as registerStatus } from './status.ts';
import { register as registerStop } from './stop.ts';
import { register as registerSync } from './sync.ts';

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
