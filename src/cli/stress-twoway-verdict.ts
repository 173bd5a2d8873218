/** The report of a two-way run for a terminal. */
import { join } from 'node:path';
import type { TwowayRun, TwowayVerdict } from '../bench/twoway/evidence.ts';
import { logsWithErrors } from '../bench/twoway/log-ends.ts';

const TITLE_COLUMNS = 84;
const LABEL_COLUMNS = 26;

export function twowayVerdictLines(
  run: TwowayRun,
  verdict: TwowayVerdict,
  dir: string,
): readonly string[] {
  const failed = verdict.properties.filter((one) => one.verdict === 'fail');
  return [
    ...(run.end.reason === null ? [] : [`the run ended ${run.end.how}: ${run.end.reason}`]),
    ...totalsLines(verdict),
    ...databaseLines(verdict),
    ...errorLines(verdict),
    ...logsWithErrors(join(dir, 'logs')).flatMap(({ name, first, last }) => [
      `log ${name}:`,
      ...[...first, '…', ...last].map((line) => `  ${line}`),
    ]),
    ...verdict.properties.map(({ property, title, verdict: word, checked }) =>
      `  ${property.padEnd(4)}${title.padEnd(TITLE_COLUMNS)} ${word.padEnd(14)}${word === 'not exercised' ? '' : `${checked} checked`}`.trimEnd(),
    ),
    ...failed.flatMap(({ property, witness }) => [
      '',
      `${property} fails:`,
      ...witness.map((line) => `  ${line}`),
      '',
    ]),
    ...faultLines(verdict),
    verdict.verdict,
  ];
}

function totalsLines({ totals, settleMs }: TwowayVerdict): readonly string[] {
  const rows: readonly (readonly [string, string | number])[] = [
    ['databases', totals.databases],
    ['rows', totals.rows],
    ['iterations', totals.iterations],
    ['total CRUD operations', totals.crudOperations],
    ['total sync operations', totals.syncOperations],
    ['duration', `${(totals.durationMs / 1000).toFixed(1)} s`],
    ['from last step to level', settleMs === null ? 'never' : `${(settleMs / 1000).toFixed(1)} s`],
    ['errors', `${totals.errors}, unexpected ${totals.unexpectedErrors}`],
    ['types of errors', totals.errorTypes.join(', ') || 'none'],
  ];
  return rows.map(([name, value]) => `  ${name.padEnd(LABEL_COLUMNS)}${value}`);
}

function databaseLines({ perDatabase }: TwowayVerdict): readonly string[] {
  return perDatabase.map(
    ({ database, user, steps, crudRows, sent, received, errors, lives, isEqual }) =>
      `  db${database}${user === null ? '' : ` (${user})`}: ${steps} steps, ${crudRows} rows written, ${sent} changes sent, ` +
      `${received} received, ${errors} errors, ${lives} lives, ${isEqual === null ? 'not compared' : isEqual ? 'equal to Postgres' : 'DIFFERS'}`,
  );
}

function errorLines(verdict: TwowayVerdict): readonly string[] {
  if (verdict.errorGroups.length === 0) return [];
  return [
    'errors by side and category:',
    ...verdict.errorGroups.flatMap(({ side, category, code, count, unexpected, samples }) => [
      `  ${side} ${category} ${code}: ${count}${unexpected > 0 ? `, ${unexpected} UNEXPECTED` : ', explained by faults'}`,
      ...samples.map((sample) => `      ${sample}`),
    ]),
    `errors by iteration: ${verdict.errorsByIteration.join(' ')}`,
    `most affected: ${verdict.mostAffected.map(({ database, errors }) => `db${database} ${errors}`).join(', ')}`,
  ];
}

function faultLines({ faults }: TwowayVerdict): readonly string[] {
  if (faults.length === 0) return [];
  const words = (isSeen: boolean): string =>
    faults
      .filter(({ seen }) => seen > 0 === isSeen)
      .map(({ fault, seen }) => (isSeen ? `${fault} ${seen}` : fault))
      .join(', ');
  return [
    `faults with an effect: ${words(true) || 'none'}`,
    ...(words(false) === '' ? [] : [`faults not exercised: ${words(false)}`]),
  ];
}
