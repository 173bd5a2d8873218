/** The numbers of a run as the report's plots need them: columns over one time line. */
import type { SampleEvent, VerdictFile } from '../evidence.ts';
import { readFacts } from '../judge/facts.ts';
import { FolderStreams } from '../judge/streams.ts';

/** One line of a plot; null where nothing is known. */
export type Series = { readonly name: string; readonly values: readonly (number | null)[] };

export type Plot = {
  readonly title: string;
  readonly unit: string;
  readonly series: readonly Series[];
};

export type ReportData = {
  /** Seconds since the run began. */
  readonly times: readonly number[];
  readonly plots: readonly Plot[];
  readonly faults: readonly {
    readonly name: string;
    readonly from: number;
    readonly to: number;
    readonly effect: string | null;
  }[];
  readonly histogram: VerdictFile['latency']['histogram'];
};

/** A plot with more points than this is thinned out. */
const POINTS_MAX = 4000;

export async function readReportData(folder: string, verdict: VerdictFile): Promise<ReportData> {
  const streams = new FolderStreams(folder);
  const samples: SampleEvent[] = [];
  await streams.each<SampleEvent>('sample', (sample) => {
    if (typeof sample.rows === 'number') samples.push(sample);
  });
  const step = Math.ceil(samples.length / POINTS_MAX);
  const kept = samples.filter((_, index) => index % step === 0);
  const { faults } = await readFacts(streams);
  const end = kept.at(-1)?.t ?? 0;
  return {
    times: kept.map(({ t }) => t / 1000),
    plots: [
      { title: 'Throughput', unit: 'rows/s', series: [{ name: 'rows/s', values: rates(kept) }] },
      plotOf('Lag', { unit: 'KiB', of: ({ lag }) => lag, scale: 1 / 1024 }, kept),
      plotOf('Windows', { unit: 'unacknowledged groups', of: ({ windows }) => windows }, kept),
      plotOf('Memory', { unit: 'MB', of: ({ rss }) => rss }, kept),
    ],
    faults: faults.map(({ fault, target, startedAt, endedAt, effect }) => ({
      name: target === '' ? fault : `${fault} (${target})`,
      from: startedAt / 1000,
      to: (endedAt ?? end) / 1000,
      effect: effect?.text ?? null,
    })),
    histogram: verdict.latency.histogram,
  };
}

/** Rows per second since the sample before. */
function rates(samples: readonly SampleEvent[]): readonly (number | null)[] {
  return samples.map(({ t, rows }, index) => {
    const before = samples[index - 1];
    if (before === undefined || t <= before.t) return null;
    return Math.round(((rows - before.rows) / (t - before.t)) * 1000);
  });
}

function plotOf(
  title: string,
  how: {
    readonly unit: string;
    readonly of: (sample: SampleEvent) => Readonly<Record<string, number>> | undefined;
    readonly scale?: number;
  },
  samples: readonly SampleEvent[],
): Plot {
  const { unit, of, scale = 1 } = how;
  const names = [...new Set(samples.flatMap((sample) => Object.keys(of(sample) ?? {})))].sort();
  const series = names.map((name) => ({
    name,
    values: samples.map((sample) => {
      const value = of(sample)?.[name];
      return value === undefined ? null : value * scale;
    }),
  }));
  return { title, unit, series };
}
