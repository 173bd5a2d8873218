/**
 * Runs the cases of a script. It knows no directive: it hands out one call after the other, takes the answers and
 * compares. Whoever drives it may wait between a call and its answer; nothing here does.
 */
import { Arguments } from './arguments.ts';
import { type Place, ScriptError } from './errors.ts';
import { Normaliser } from './normalise.ts';
import { BLANK } from './parse.ts';
import type { Case, Dialect, Script } from './types.ts';

/** The flag by which a strict case tells output with a final newline from output without. */
const NEWLINE = 'newline';
const NO_NEWLINE_MARK = '\\ no newline at the end\n';

/** What a directive gets. Arguments that it does not ask for make the case fail. */
export type Call = {
  readonly command: string;
  readonly args: Arguments;
  readonly input: string;
  readonly place: Place;
  /** Names given by the normalisers so far, back to what they stand for. */
  readonly names: Pick<Normaliser, 'actual'>;
};

export type Answer =
  | { readonly kind: 'output'; readonly text: string }
  /** The directive could not be performed. Expected errors are output instead. */
  | { readonly kind: 'broken'; readonly error: unknown };

/** What became of one case. */
export type CaseResult =
  | { readonly kind: 'passed' | 'differs'; readonly case: Case; readonly output: string }
  | { readonly kind: 'broken'; readonly case: Case; readonly error: unknown };

export type RunOptions = {
  /** The last case that runs is the one at this line; those before it run too, because state adds up. */
  readonly throughLine?: number | undefined;
  /** Goes on after a difference, as a rewrite does. A broken case always ends the run. */
  readonly goOn?: boolean | undefined;
  /** Folders of this run, for `normalise=temp`. */
  readonly folders?: (() => readonly string[]) | undefined;
  readonly onResult?: ((result: CaseResult) => void) | undefined;
};

/**
 * Yields each call, wants its answer by `next(answer)`, and returns the results in order. The first difference ends the
 * run unless `goOn`: what follows would only show its consequences.
 */
export function* runSteps(
  script: Script,
  options: RunOptions = {},
): Generator<Call, readonly CaseResult[], Answer> {
  const top = { file: script.file, line: 1, column: 1 };
  const names = Normaliser.of(script.settings, top, options.folders);
  const results: CaseResult[] = [];
  for (const next of chosen(script, options.throughLine)) {
    const args = argumentsOf(next, script.dialect);
    const { command, input, place } = next;
    const answer = yield { command, input, place, args: args.open, names };
    const result = resultOf(next, args.judge(answer), names);
    results.push(result);
    options.onResult?.(result);
    if (result.kind === 'broken' || (result.kind === 'differs' && options.goOn !== true)) break;
  }
  return results;
}

/** Runs a script whose directives answer at once. An error that `handler` throws breaks the case. */
export function runAtOnce(
  script: Script,
  handler: (call: Call) => string,
  options: RunOptions = {},
): readonly CaseResult[] {
  const steps = runSteps(script, options);
  let step = steps.next();
  while (step.done !== true) step = steps.next(answerOf(handler, step.value));
  return step.value;
}

function answerOf(handler: (call: Call) => string, call: Call): Answer {
  try {
    return { kind: 'output', text: handler(call) };
  } catch (error) {
    return { kind: 'broken', error };
  }
}

function chosen({ cases, file }: Script, throughLine: number | undefined): readonly Case[] {
  if (throughLine === undefined) return cases;
  const last = cases.findLastIndex(({ place }) => place.line <= throughLine);
  if (last >= 0) return cases.slice(0, last + 1);
  const place = { file, line: throughLine, column: 1 };
  throw new ScriptError(place, 'no case at or before this line', 'name the line of a case');
}

type CaseArguments = {
  readonly open: Arguments;
  /** The answer, unless an argument was not asked for. */
  judge(answer: Answer): Answer;
};

function argumentsOf({ args, argPlaces, place, command }: Case, dialect: Dialect): CaseArguments {
  const open = new Arguments(args, argPlaces, place);
  if (dialect !== 'strict') return { open, judge: (answer) => asThere(answer, dialect) };
  open.flag(BLANK);
  const showsEnd = open.flag(NEWLINE);
  const judge = (answer: Answer): Answer => {
    if (answer.kind === 'broken') return answer;
    try {
      open.finish(`an argument of ${command}`);
    } catch (error) {
      return { kind: 'broken', error };
    }
    return { kind: 'output', text: ended(answer.text, showsEnd) };
  };
  return { open, judge };
}

/** As the library compares: that of Go adds a final newline. */
function asThere(answer: Answer, dialect: Dialect): Answer {
  if (answer.kind === 'broken' || dialect === 'rust') return answer;
  return { kind: 'output', text: ended(answer.text, false) };
}

function ended(text: string, showsEnd: boolean): string {
  if (text === '' || text.endsWith('\n')) return text;
  return `${text}\n${showsEnd ? NO_NEWLINE_MARK : ''}`;
}

function resultOf(of: Case, answer: Answer, names: Normaliser): CaseResult {
  if (answer.kind === 'broken') return { kind: 'broken', case: of, error: answer.error };
  const output = names.shown(visible(answer.text));
  return { kind: output === of.expected ? 'passed' : 'differs', case: of, output };
}

/** A carriage return would be lost between the line ends of a file. */
function visible(text: string): string {
  return text.replaceAll('\r', '\\r');
}
