/** What runs inside the report: draws the plots with uPlot, faults as bands behind all of them. */
export const SCRIPT = `
const data = JSON.parse(document.getElementById('data').textContent);
const COLORS = ['#2563eb', '#d97706', '#059669', '#db2777', '#7c3aed', '#0891b2', '#65a30d', '#dc2626'];
const width = () => Math.min(1100, document.body.clientWidth - 32);
const charts = [];

function drawFaults(u) {
  const { ctx, bbox } = u;
  ctx.save();
  for (const { from, to, effect } of data.faults) {
    const left = u.valToPos(from, 'x', true);
    const right = Math.max(left + 2, u.valToPos(to, 'x', true));
    ctx.fillStyle = effect === null ? 'rgba(120,120,120,0.15)' : 'rgba(220,38,38,0.15)';
    ctx.fillRect(left, bbox.top, right - left, bbox.height);
  }
  ctx.restore();
}

function rounded(value) {
  return value == null ? '-' : value.toLocaleString('en', { maximumFractionDigits: 1 });
}

function timeLine({ title, unit, series }) {
  const options = {
    title: title + ' (' + unit + ')', width: width(), height: 190,
    cursor: { sync: { key: 'run' } },
    scales: { x: { time: false } },
    axes: [{ values: (_, ticks) => ticks.map((tick) => tick + ' s') }, { size: 70 }],
    hooks: { drawClear: [drawFaults] },
    series: [
      { label: 'time', value: (_, value) => (value == null ? '-' : value.toFixed(1) + ' s') },
      ...series.map(({ name }, index) => ({
        label: name, stroke: COLORS[index % COLORS.length], width: 1.5, spanGaps: false,
        value: (_, value) => rounded(value),
      })),
    ],
  };
  const columns = [data.times, ...series.map(({ values }) => values)];
  charts.push(new uPlot(options, columns, document.getElementById('plots')));
}

function histogram() {
  const bounds = data.histogram.map(({ upToMs }) => upToMs);
  const options = {
    title: 'Commit to replica, outside of faults (samples by milliseconds)', width: width(), height: 190,
    scales: { x: { time: false, distr: 3 } },
    axes: [{ values: (_, ticks) => ticks.map((tick) => (tick == null ? '' : tick + ' ms')) }, { size: 70 }],
    series: [
      { label: 'up to', value: (_, value) => (value == null ? '-' : rounded(value) + ' ms') },
      { label: 'samples', stroke: COLORS[0], fill: '#2563eb55', paths: uPlot.paths.bars({ size: [0.9, 40] }), points: { show: false } },
    ],
  };
  const columns = [bounds, data.histogram.map(({ count }) => count)];
  charts.push(new uPlot(options, columns, document.getElementById('latency')));
}

for (const plot of data.plots) if (data.times.length > 0 && plot.series.length > 0) timeLine(plot);
if (data.histogram.length > 0) histogram();
addEventListener('resize', () => { for (const chart of charts) chart.setSize({ width: width(), height: 190 }); });
`;
