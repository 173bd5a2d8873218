/** What a database does in an iteration, step by step. A worker may be killed between any two, and in the middle. */

const CYCLE = [
  ...['delete', 'send', 'check', 'insert', 'send', 'check', 'update', 'send', 'check'],
] as const;
export type StepName = 'delete' | 'insert' | 'update' | 'trespass' | 'send' | 'check';

export type Step = {
  /** From 0 over all iterations. */
  readonly index: number;
  readonly iteration: number;
  readonly name: StepName;
};

/** `isRls`: the user also tries what the rules forbid. */
export function stepsOf(iterations: number, isRls: boolean): readonly Step[] {
  const names: readonly StepName[] = isRls
    ? [...(CYCLE.slice(0, 7) as StepName[]), 'trespass', 'send', 'check']
    : (CYCLE as readonly StepName[]);
  return Array.from({ length: iterations }, (_, iteration) =>
    names.map((name, place) => ({
      index: iteration * names.length + place,
      iteration: iteration + 1,
      name,
    })),
  ).flat();
}

export function isWrite(name: StepName): boolean {
  return name !== 'send' && name !== 'check';
}
