/** The verdict of a proof (a stress, a simulation): each property in words, counterexamples, how to repeat it, plots. */
import type { JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import type { DataRow } from '../../planner/rows.ts';
import {
  PROOF_BYTES_MAX,
  type Proof,
  type ProofPlot,
  type ProvenProperty,
  parseProof,
} from '../../report/proof.ts';
import { range } from '../api.ts';
import { count, seconds } from '../format.ts';
import { Badge, Panel, Stat, Table, type Tone } from '../parts.tsx';
import { LinePlot } from '../plot.tsx';

const INKS = ['accent', 'second', 'good', 'bad', 'warn', 'muted'] as const;
const WORDS = { pass: 'held', fail: 'failed', 'not exercised': 'not tested' } as const;
const TONES: Readonly<Record<ProvenProperty['verdict'], Tone>> = {
  ...{ pass: 'good', fail: 'bad', 'not exercised': 'idle' },
};

type ProofPanelProps = {
  readonly testId: number;
  readonly data: readonly DataRow[];
};

/** Nothing for a test whose data name no proof. */
export function ProofPanel({ testId, data }: ProofPanelProps): JSX.Element | null {
  const named = proofIn(data);
  const read = useProof(testId, named);
  if (named === undefined) return null;
  const properties = read.proof?.properties ?? propertiesOf(data);
  return (
    <Panel title="Proof" note={read.proof?.title}>
      <Sums properties={properties} />
      {read.proof === null ? <Untold data={data} why={read.why} /> : <Told proof={read.proof} />}
      <Properties rows={properties} />
      {read.proof === null ? null : <Plots proof={read.proof} />}
    </Panel>
  );
}

function proofIn(data: readonly DataRow[]): DataRow | undefined {
  return data.find(({ category, variable }) => category === 'proof' && variable === 'file');
}

/** Measured values that the proof does not show already. */
export function besideProof(data: readonly DataRow[]): readonly DataRow[] {
  if (proofIn(data) === undefined) return data;
  return data.filter(({ category }) => !['proof', 'property', 'run'].includes(category));
}

type Read =
  | { readonly proof: Proof; readonly why: '' }
  | { readonly proof: null; readonly why: string };

/** Read again when the test has named it again. */
function useProof(testId: number, named: DataRow | undefined): Read {
  const [state, setState] = useState<Read>({ proof: null, why: 'Reading…' });
  const file = named?.value;
  useEffect(() => {
    if (file === undefined) return;
    const abort = new AbortController();
    const query = `test=${testId}&file=${encodeURIComponent(file)}&from=0&bytes=${PROOF_BYTES_MAX}`;
    range(`/runs/v1/log?${query}`, abort.signal).then(
      ({ body }) => setState(readOf(new TextDecoder().decode(body))),
      (error: unknown) => {
        if (!abort.signal.aborted) setState({ proof: null, why: whyOf(error) });
      },
    );
    return () => abort.abort();
  }, [testId, file, named?.seq]);
  return state;
}

function readOf(text: string): Read {
  try {
    return { proof: parseProof(text), why: '' };
  } catch (error) {
    return { proof: null, why: whyOf(error) };
  }
}

function whyOf(error: unknown): string {
  const words = error instanceof Error ? error.message : String(error);
  return `Only the verdicts are here: ${words}.`;
}

/** What the data alone tell; their comments end with the count and the verdict. */
function propertiesOf(data: readonly DataRow[]): readonly ProvenProperty[] {
  return data.flatMap(({ category, variable, value, expected, comment }) => {
    if (category !== 'property') return [];
    const judged = value === '0' ? 'pass' : 'fail';
    const verdict = expected === '' ? 'not exercised' : judged;
    const checked = Number(/\((\d+) checked/.exec(comment)?.[1] ?? 0);
    const title = comment.replace(/ \(\d+ checked: .*\)$/, '');
    return [{ property: variable, title, verdict, checked, witness: [] }] as const;
  });
}

function Sums({ properties }: { properties: readonly ProvenProperty[] }): JSX.Element {
  const of = (verdict: ProvenProperty['verdict']): number =>
    properties.filter((one) => one.verdict === verdict).length;
  const failed = of('fail');
  return (
    <p class="padded" data-testid="proof">
      <Badge tone={failed > 0 ? 'bad' : 'good'}>
        {of('pass')} properties held, {failed} failed, {of('not exercised')} not tested
      </Badge>
    </p>
  );
}

/** Seed, schedule and command stand in the data too. */
function Untold({ data, why }: { data: readonly DataRow[]; why: string }): JSX.Element {
  return (
    <>
      <p class="padded note">{why}</p>
      <dl class="stats">
        {data
          .filter(({ category }) => category === 'run')
          .map(({ variable, value }) => (
            <Stat key={variable} name={variable}>
              {value}
            </Stat>
          ))}
      </dl>
    </>
  );
}

function Told({ proof }: { proof: Proof }): JSX.Element {
  const { seed, command, schedule, facts, evidence } = proof;
  return (
    <>
      <dl class="stats">
        <Stat name="Seed">{seed}</Stat>
        {facts.map(([name, value]) => (
          <Stat key={name} name={name}>
            {value}
          </Stat>
        ))}
        <Stat name="Evidence">
          <code>{evidence}</code> in the work area
        </Stat>
      </dl>
      <p class="padded">
        Repeat it: <code>{command}</code>
      </p>
      {schedule.length === 0 ? null : (
        <details class="padded">
          <summary>The seed has drawn {count(schedule.length)} faults</summary>
          <ol>
            {schedule.map((one, at) => (
              <li key={`${at} ${one}`}>{one}</li>
            ))}
          </ol>
        </details>
      )}
    </>
  );
}

function Properties({ rows }: { rows: readonly ProvenProperty[] }): JSX.Element {
  return (
    <Table
      caption="Properties"
      rows={rows}
      keyOf={({ property }) => property}
      empty="No property was looked at."
      columns={[
        { title: 'Property', cell: ({ property }) => property },
        { title: 'What it says', cell: ({ title }) => title },
        {
          title: 'Verdict',
          cell: ({ verdict }) => <Badge tone={TONES[verdict]}>{WORDS[verdict]}</Badge>,
        },
        { title: 'Checked', isNumber: true, cell: ({ checked }) => count(checked) },
        {
          title: 'Counterexample',
          cell: ({ witness }) => (witness.length === 0 ? '' : <pre>{witness.join('\n')}</pre>),
        },
      ]}
    />
  );
}

function Plots({ proof }: { proof: Proof }): JSX.Element | null {
  const { plots, times, faults } = proof;
  const shown = plots.filter(({ series }) => series.length > 0);
  if (times.length === 0 || shown.length === 0) return null;
  return (
    <>
      <div class="plots">
        {shown.map((plot) => (
          <LinePlot
            key={plot.title}
            title={`${plot.title}, ${plot.unit}`}
            times={times}
            lines={linesOf(plot)}
            show={short}
            says={highest}
            bands={faults}
          />
        ))}
      </div>
      {faults.length === 0 ? null : (
        <Table
          caption="Faults of this proof"
          rows={faults}
          keyOf={({ name, from }) => `${name} ${from}`}
          empty=""
          columns={[
            { title: 'At', isNumber: true, cell: ({ from }) => seconds(from) },
            { title: 'Fault', cell: ({ name }) => name },
            { title: 'Took', isNumber: true, cell: ({ from, to }) => seconds(to - from) },
            { title: 'Seen of it', cell: ({ effect }) => effect ?? 'nothing' },
          ]}
        />
      )}
    </>
  );
}

function linesOf({ series }: ProofPlot) {
  return series.map(({ name, values }, at) => {
    return { name, values, ink: INKS[at % INKS.length] ?? 'muted' };
  });
}

function short(value: number): string {
  return value.toLocaleString('en-US', { maximumFractionDigits: value < 10 ? 1 : 0 });
}

function highest(values: readonly (number | null)[]): string {
  const known = values.filter((value) => value !== null);
  return known.length === 0 ? 'not known' : `${short(Math.max(...known))} at most`;
}
