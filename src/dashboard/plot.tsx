/** Lines over the last minutes, painted by uPlot; the last values stand beside the title as text. */
import type { JSX } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import UPlot from 'uplot';
import { SAMPLE_FIELDS, type Sample, type SampleField } from '../protocol/dashboard.ts';
import { colour, onColours } from './theme.ts';

export type Line = {
  readonly field: SampleField;
  readonly name: string;
  /** Name of a colour of app.css. */
  readonly ink: string;
};

type PlotProps = {
  readonly title: string;
  readonly lines: readonly Line[];
  readonly samples: readonly Sample[];
  readonly show: (value: number) => string;
  /** The axis is divided as sizes are read. */
  readonly isBytes?: boolean;
};

const HEIGHT = 150;
/** 1 B to 1 PiB. */
const BYTE_STEPS = Array.from({ length: 51 }, (_, power) => 2 ** power);

export function Plot({ title, lines, samples, show, isBytes = false }: PlotProps): JSX.Element {
  const holder = useRef<HTMLDivElement>(null);
  const plot = useRef<UPlot | null>(null);
  const data = dataOf(lines, samples);
  const latest = useRef(data);
  latest.current = data;
  useEffect(() => {
    const element = holder.current;
    if (element === null) return;
    const make = (): void => {
      plot.current?.destroy();
      plot.current = new UPlot(
        optionsOf({ lines, show, isBytes }, element.clientWidth),
        latest.current,
        element,
      );
    };
    make();
    const sizes = new ResizeObserver(() =>
      plot.current?.setSize({ width: element.clientWidth, height: HEIGHT }),
    );
    sizes.observe(element);
    const leave = onColours(make);
    return () => {
      leave();
      sizes.disconnect();
      plot.current?.destroy();
    };
  }, []);
  useEffect(() => plot.current?.setData(data), [samples]);
  return (
    <figure class="plot">
      <figcaption>
        <span class="title">{title}</span>
        {lines.map((line, at) => (
          <span key={line.field} class="legend">
            <i style={{ background: `var(--${line.ink})` }} />
            {line.name} <b>{last(data[at + 1], show)}</b>
          </span>
        ))}
      </figcaption>
      <div ref={holder} class="canvas" aria-hidden="true" />
    </figure>
  );
}

function dataOf(lines: readonly Line[], samples: readonly Sample[]): UPlot.AlignedData {
  const column = (field: SampleField): (number | null)[] => {
    const at = SAMPLE_FIELDS.indexOf(field);
    return samples.map((sample) => sample[at] ?? null);
  };
  const times = column('atMs').map((ms) => (ms ?? 0) / 1000);
  return [times, ...lines.map(({ field }) => column(field))];
}

function last(
  values: ArrayLike<number | null | undefined> | undefined,
  show: (value: number) => string,
): string {
  for (let at = (values?.length ?? 0) - 1; at >= 0; at -= 1) {
    const value = values?.[at];
    if (value !== null && value !== undefined) return show(value);
  }
  return 'none yet';
}

type Look = Pick<PlotProps, 'lines' | 'show'> & { readonly isBytes: boolean };

function optionsOf({ lines, show, isBytes }: Look, width: number): UPlot.Options {
  const ink = colour('muted');
  const grid = { stroke: colour('line'), width: 1 };
  const font = '11px system-ui, sans-serif';
  return {
    ...{ width, height: HEIGHT, legend: { show: false }, cursor: { show: false } },
    scales: { y: { range: (_plot, _low, high) => [0, high > 0 ? high * 1.1 : 1] } },
    axes: [
      { stroke: ink, grid: { show: false }, ticks: { show: false }, font, size: 22, space: 70 },
      {
        ...{ stroke: ink, grid, ticks: { show: false }, font, size: 68, space: 32 },
        ...(isBytes ? { incrs: BYTE_STEPS } : {}),
        values: (_plot, values) => values.map((value) => show(value)),
      },
    ],
    series: [
      {},
      ...lines.map(
        (line): UPlot.Series => ({
          stroke: colour(line.ink),
          ...{ width: 1.5, points: { show: false }, spanGaps: true },
        }),
      ),
    ],
  };
}
