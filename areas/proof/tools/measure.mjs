/**
 * Puts the verdict of a stress run, property by property, into the test's data.
 *
 * A property that did not hold is a datum out of its tolerance, so it makes the test fail by itself. One that was
 * not exercised has no expectation: it is seen and judges nothing.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';

const { run, verdict } = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const lines = verdict.properties.map((property) => {
  const isJudged = property.verdict !== 'not exercised';
  const failed = property.verdict === 'fail' ? 1 : 0;
  return [
    ...['property', property.property, failed, isJudged ? 0 : '', isJudged ? 0 : '', 'failures'],
    `${property.title} (${property.checked} checked: ${property.verdict})`,
  ];
});
lines.push(['run', 'seed', run.seed, '', '', '', 'repeats what was written and which faults came']);

const quote = (value) => `"${String(value).replaceAll('"', '""')}"`;
writeFileSync('data.csv', `${lines.map((line) => line.map(quote).join(',')).join('\n')}\n`);
execFileSync(process.env.MT_MEGATEST ?? 'megatest', ['-load-test-data'], {
  input: readFileSync('data.csv'),
  stdio: ['pipe', 'inherit', 'inherit'],
});
