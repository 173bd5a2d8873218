/** What became of scripts, for people and for programs. */
import type { FileReport } from '../bench/script/run-file.ts';
import { messageOf, TidelockError } from '../core/errors.ts';
import { unifiedDiff } from '../script/diff.ts';
import { placeText, ScriptError } from '../script/errors.ts';
import type { CaseResult } from '../script/run.ts';

/** Differences and errors of a file, as they are read in a terminal. */
export function caseLines({ results, error, file }: FileReport): readonly string[] {
  const lines = results.flatMap(resultLines);
  return error === undefined ? lines : [...lines, ...errorLines(error, file)];
}

function resultLines(result: CaseResult): readonly string[] {
  const { place } = result.case;
  if (result.kind === 'passed') return [];
  if (result.kind === 'broken') return errorLines(result.error, placeText(place));
  return [`${placeText(place)}: ${result.case.command} shows something else`, diffOf(result)];
}

function diffOf(result: CaseResult & { kind: 'passed' | 'differs' }): string {
  const { place, expected, block } = result.case;
  const line = block.from + 2;
  return unifiedDiff(expected, result.output, { file: place.file, line }).trimEnd();
}

function errorLines(error: unknown, where: string): readonly string[] {
  if (error instanceof ScriptError) {
    return [`${placeText(error.place)}: ${error.message}`, `  what to do: ${error.remedy}`];
  }
  if (error instanceof TidelockError) {
    const hint = error.hint === undefined ? [] : [`  what to do: ${error.hint}`];
    return [`${where}: ${error.code}: ${error.message}`, ...hint];
  }
  return [`${where}: ${error instanceof Error ? error.stack : String(error)}`];
}

export function fileLine(report: FileReport): string {
  const { file, results, cases, isRewritten } = report;
  const passed = results.filter(({ kind }) => kind === 'passed').length;
  const notRun = cases - results.length;
  const rest = notRun > 0 ? `, ${notRun} not run` : '';
  return `${verdictOf(report)}  ${file}: ${passed} of ${cases} cases${rest}${isRewritten ? ', rewritten' : ''}`;
}

function verdictOf({ error, results, isRewritten }: FileReport): string {
  if (error !== undefined || results.some(({ kind }) => kind === 'broken')) return 'BROKEN';
  const differs = results.some(({ kind }) => kind === 'differs');
  return differs && !isRewritten ? 'DIFFERS' : 'ok';
}

export function totalLine(reports: readonly FileReport[]): string {
  const good = reports.filter((report) => verdictOf(report) === 'ok').length;
  return `${good} of ${reports.length} ${reports.length === 1 ? 'script is' : 'scripts are'} as they say`;
}

/** The same for programs. */
export function reportJson(report: FileReport): object {
  const { file, cases, isRewritten, error } = report;
  return {
    ...{ file, cases, verdict: verdictOf(report), rewritten: isRewritten },
    ...(error === undefined ? {} : { error: problemOf(error) }),
    results: report.results.map((result) => ({
      ...{ line: result.case.place.line, command: result.case.command, kind: result.kind },
      ...(result.kind === 'differs'
        ? { expected: result.case.expected, actual: result.output }
        : {}),
      ...(result.kind === 'broken' ? { error: problemOf(result.error) } : {}),
    })),
  };
}

function problemOf(error: unknown): object {
  if (!(error instanceof ScriptError)) return { message: messageOf(error) };
  const { line, column } = error.place;
  return { message: error.message, remedy: error.remedy, line, column };
}
