/** Runs one script against a world: the edge of the pure runner. */
import { type Answer, type Call, type CaseResult, runSteps } from '../../script/run.ts';
import type { Script } from '../../script/types.ts';
import type { OpenWorld, World, WorldContext } from './world.ts';

export type DriveOptions = {
  readonly open: OpenWorld;
  readonly context: WorldContext;
  readonly throughLine?: number | undefined;
  readonly goOn?: boolean | undefined;
  readonly onResult?: ((result: CaseResult) => void) | undefined;
};

/** Opens a fresh world, runs the cases in it, and closes it, whatever happens. */
export async function driveScript(
  script: Script,
  { open, context, throughLine, goOn, onResult }: DriveOptions,
): Promise<readonly CaseResult[]> {
  const world = await open(context);
  try {
    const steps = runSteps(script, {
      ...{ throughLine, goOn, onResult },
      folders: () => world.folders?.() ?? [],
    });
    let step = steps.next();
    while (step.done !== true) {
      context.signal.throwIfAborted();
      step = steps.next(await answerOf(world, step.value));
    }
    return step.value;
  } finally {
    await world.close();
  }
}

async function answerOf(world: World, call: Call): Promise<Answer> {
  try {
    return { kind: 'output', text: await world.handle(call) };
  } catch (error) {
    return { kind: 'broken', error };
  }
}
