/**
 * Puts what a proof has found into the test's data, property by property, and names the file with its verdict, plots and
 * counterexamples, which the page of the test shows.
 *
 *   node measure.mjs stress EVIDENCE      the folder of a stress
 *   node measure.mjs sim RESULT.json      what `tidelock sim --json` has printed
 *
 * A property that did not hold is a datum out of its tolerance, so it makes the test fail by itself. One that was
 * not exercised has no expectation: it is seen and judges nothing.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { load } from './load.mjs';
import { proofOfSimulation } from './simulation.mjs';

const [kind, place] = process.argv.slice(2);
const file = kind === 'sim' ? 'proof.json' : `${place}/proof.json`;
if (kind === 'sim') {
  writeFileSync(file, JSON.stringify(proofOfSimulation(JSON.parse(readFileSync(place, 'utf8')))));
}
if (!existsSync(file)) {
  console.error(`there is no ${file}: nothing was proven; the log of the step before says why`);
  process.exit(1);
}
const { seed, command, schedule, properties } = JSON.parse(readFileSync(file, 'utf8'));
load([
  ...properties.map(({ property, title, verdict, checked }) => {
    const expected = verdict === 'not exercised' ? '' : 0;
    const words = `${title} (${checked} checked: ${verdict})`;
    return [
      'property',
      property,
      verdict === 'fail' ? 1 : 0,
      expected,
      expected,
      'failures',
      words,
    ];
  }),
  ['run', 'seed', seed, '', '', '', 'repeats what was written and which faults came'],
  ['run', 'schedule', schedule.join(', ') || 'none', '', '', '', 'faults that the seed has drawn'],
  ['reproduce', 'command', command, '', '', '', 'repeats it'],
  ...(kind === 'sim'
    ? []
    : [['reproduce', 'STRESS_SEED', seed, '', '', '', 'in a run of its own']]),
  ['proof', 'file', file, '', '', '', 'verdict, plots and counterexamples'],
]);
