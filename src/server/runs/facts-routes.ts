/** GET /runs/v1/execution: what only its host knows of an execution; /runs/v1/quarantine: the area's known failures. */
import type { RouteOptions } from 'fastify';
import type { TestRow } from '../../planner/rows.ts';
import type { ExecutionFacts } from '../../protocol/run-files.ts';
import { RUNS_PREFIX } from '../../protocol/runs.ts';
import { requireSelectors } from '../auth.ts';
import { object } from '../schemas.ts';
import { TEST } from './log-route.ts';
import type { RunsParts } from './parts.ts';
import { workFolder } from './work-files.ts';

const NOTHING: ExecutionFacts = { process: null, steps: null, environment: null, setVars: [] };

/** `against`: another execution, to whose environment this one's is compared. */
export function executionRoute({ port }: RunsParts): RouteOptions {
  return {
    ...{ method: 'GET', url: `${RUNS_PREFIX}/execution`, exposeHeadRoute: false },
    config: { scope: 'read' },
    schema: { hide: true, querystring: object({ test: TEST, against: TEST }, ['against']) },
    handler: async ({ access, query }) => {
      requireSelectors(access, [port.area]);
      const { test, against } = query as { readonly test: number; readonly against?: number };
      const row = await executed(port, test);
      const other = against === undefined ? null : await executed(port, against);
      return row === null ? NOTHING : (port.execution?.(row, other) ?? NOTHING);
    },
  };
}

/** Null when it has left nothing here. Where the database says that it worked is believed within the area only. */
async function executed(
  port: RunsParts['port'],
  testId: number,
): Promise<Pick<TestRow, 'runDir' | 'attempt'> | null> {
  const [row] = port.read({ kind: 'test', testId }).tests ?? [];
  if (row === undefined) return null;
  const runDir = await workFolder(port.logRoots ?? [], row.runDir).catch(() => null);
  return runDir === null ? null : { runDir, attempt: row.attempt };
}

export function quarantineRoute({ port }: RunsParts): RouteOptions {
  return {
    ...{ method: 'GET', url: `${RUNS_PREFIX}/quarantine`, exposeHeadRoute: false },
    config: { scope: 'read' },
    schema: { hide: true, querystring: object({}) },
    handler: async ({ access }) => {
      requireSelectors(access, [port.area]);
      return { entries: port.quarantine?.() ?? [] };
    },
  };
}
