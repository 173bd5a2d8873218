/** Lines over time, painted by uPlot; what matters of them stands beside the title as text. */
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

/** Over the time of the day; the last values are said. */
export function Plot({ lines, samples, ...look }: PlotProps): JSX.Element {
  const column = (field: SampleField): (number | null)[] => {
    const at = SAMPLE_FIELDS.indexOf(field);
    return samples.map((sample) => sample[at] ?? null);
  };
  const drawn = lines.map(({ field, name, ink }) => ({ name, ink, values: column(field) }));
  const times = column('atMs').map((ms) => (ms ?? 0) / 1000);
  return <LinePlot {...look} times={times} lines={drawn} says={last} isClock />;
}

export type PlotLine = {
  readonly name: string;
  readonly ink: string;
  readonly values: readonly (number | null)[];
};

type LinePlotProps = {
  readonly title: string;
  /** Seconds: since 1970 of a clock, else since a beginning. */
  readonly times: readonly number[];
  readonly lines: readonly PlotLine[];
  readonly show: (value: number) => string;
  /** What is said of a line in words. */
  readonly says: (values: PlotLine['values'], show: (value: number) => string) => string;
  readonly isBytes?: boolean;
  readonly isClock?: boolean;
  /** Shaded stretches of the time. */
  readonly bands?: readonly Band[];
};

type Band = { readonly from: number; readonly to: number };

const HEIGHT = 150;
/** 1 B to 1 PiB. */
const BYTE_STEPS = Array.from({ length: 51 }, (_, power) => 2 ** power);

export function LinePlot(props: LinePlotProps): JSX.Element {
  const { title, times, lines, show, says } = props;
  const holder = useRef<HTMLDivElement>(null);
  const plot = useRef<UPlot | null>(null);
  const data = [times, ...lines.map(({ values }) => values)] as UPlot.AlignedData;
  const latest = useRef(data);
  latest.current = data;
  useEffect(() => {
    const element = holder.current;
    if (element === null) return;
    const make = (): void => {
      plot.current?.destroy();
      plot.current = new UPlot(optionsOf(props, element.clientWidth), latest.current, element);
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
  const newest = times.at(-1);
  useEffect(() => plot.current?.setData(data), [newest, times.length]);
  return (
    <figure class="plot">
      <figcaption>
        <span class="title">{title}</span>
        {lines.map((line) => (
          <span key={line.name} class="legend">
            <i style={{ background: `var(--${line.ink})` }} />
            {line.name} <b>{says(line.values, show)}</b>
          </span>
        ))}
      </figcaption>
      <div ref={holder} class="canvas" aria-hidden="true" />
    </figure>
  );
}

function last(values: PlotLine['values'], show: (value: number) => string): string {
  const value = values.findLast((one) => one !== null);
  return value === undefined || value === null ? 'none yet' : show(value);
}

type Look = Pick<LinePlotProps, 'lines' | 'show' | 'isBytes' | 'isClock' | 'bands'>;

function optionsOf(
  { lines, show, isBytes, isClock, bands = [] }: Look,
  width: number,
): UPlot.Options {
  const ink = colour('muted');
  const grid = { stroke: colour('line'), width: 1 };
  const font = '11px system-ui, sans-serif';
  const x = { stroke: ink, grid: { show: false }, ticks: { show: false }, font, size: 22 };
  const asSeconds = (_plot: UPlot, values: number[]): string[] =>
    values.map((value) => `${value} s`);
  return {
    ...{ width, height: HEIGHT, legend: { show: false }, cursor: { show: false } },
    scales: {
      x: { time: isClock === true },
      y: { range: (_plot, _low, high) => [0, high > 0 ? high * 1.1 : 1] },
    },
    axes: [
      { ...x, space: 70, ...(isClock === true ? {} : { values: asSeconds }) },
      {
        ...{ stroke: ink, grid, ticks: { show: false }, font, size: 68, space: 32 },
        ...(isBytes === true ? { incrs: BYTE_STEPS } : {}),
        values: (_plot, values) => values.map((value) => show(value)),
      },
    ],
    hooks: { drawClear: [(plot) => shade(plot, bands)] },
    series: [
      {},
      ...lines.map(
        (line): UPlot.Series => ({
          stroke: colour(line.ink),
          ...{ width: 1.5, points: { show: false }, spanGaps: isClock === true },
        }),
      ),
    ],
  };
}

const SHADE = 0.18;
const SHADE_PX_MIN = 2;

function shade({ ctx, bbox, valToPos }: UPlot, bands: readonly Band[]): void {
  ctx.save();
  ctx.fillStyle = colour('second');
  ctx.globalAlpha = SHADE;
  for (const { from, to } of bands) {
    const left = valToPos(from, 'x', true);
    const width = Math.max(SHADE_PX_MIN, valToPos(to, 'x', true) - left);
    ctx.fillRect(left, bbox.top, width, bbox.height);
  }
  ctx.restore();
}
