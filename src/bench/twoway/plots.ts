/** The numbers of a two-way run over time, for the report's plots. */
import type { ReportData, Series } from '../stress/report/data.ts';
import type { StepEvent } from './evidence.ts';
import type { Evidence } from './read-evidence.ts';
import { isWrite, type StepName } from './steps.ts';

const POINTS = 200;

export function plotsOf({ run, steps, troubles }: Evidence): ReportData {
  const sliceMs = Math.max(250, Math.ceil(run.end.durationMs / POINTS));
  const slices = Math.max(1, Math.ceil(run.end.durationMs / sliceMs));
  const times = Array.from({ length: slices }, (_, index) => ((index + 1) * sliceMs) / 1000);
  const summed = <T extends { readonly t: number }>(
    name: string,
    events: readonly T[],
    of: (event: T) => number,
  ): Series => {
    const values = new Array<number>(slices).fill(0);
    for (const event of events) {
      const slice = Math.min(slices - 1, Math.max(0, Math.floor(event.t / sliceMs)));
      values[slice] = (values[slice] ?? 0) + of(event);
    }
    return { name, values };
  };
  const written = steps.filter(({ name }) => isWrite(name as StepName));
  const named = (name: string): readonly StepEvent[] => steps.filter((step) => step.name === name);
  const count = ({ count: rows }: StepEvent): number => rows;
  return {
    times,
    plots: [
      {
        ...{ title: 'Work', unit: `rows in ${sliceMs} ms` },
        series: [
          summed('written', written, count),
          summed('sent', named('send'), count),
          summed('received', named('check'), count),
        ],
      },
      {
        ...{ title: 'Errors', unit: `in ${sliceMs} ms` },
        series: [
          summed(
            'explained',
            troubles.filter(({ isExpected }) => isExpected),
            () => 1,
          ),
          summed(
            'unexpected',
            troubles.filter(({ isExpected }) => !isExpected),
            () => 1,
          ),
        ],
      },
    ],
    faults: run.faults.map(({ fault, target, fromMs, toMs, effects }) => ({
      ...{ name: `${fault} (${target})`, from: fromMs / 1000, to: toMs / 1000 },
      effect: effects[0] ?? null,
    })),
    histogram: [],
  };
}
