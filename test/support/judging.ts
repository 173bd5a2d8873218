/** A thread that judges a log, for one with a heap that the log would not fit into. */
import { parentPort, workerData } from 'node:worker_threads';
import type { LogRules } from '../../src/area/types.ts';
import { judgeFile } from '../../src/runs/execution/log-reading.ts';

export type Judging = { readonly path: string; readonly rules: LogRules };

const { path, rules } = workerData as Judging;
const { status, lines, message } = await judgeFile(path, rules);
parentPort?.postMessage({ status, lines, message });
