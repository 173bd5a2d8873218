/** `[ezsteps]`, and the rules that judge their logs: `[rules]` or `[logpro]`, else the file `STEP.logpro`. */
import { TRIED_STEPS_PER_CHARACTER } from '../regex/regex.ts';
import { entriesOf, entryOf } from './entries.ts';
import { readLogRules } from './log-rules.ts';
import { readLogpro } from './logpro.ts';
import { compileLogRegex } from './regex.ts';
import type { Config, ConfigAnswer, Entry, Finding, LogRules, Reading, Step } from './types.ts';

export type TestSource = {
  readonly config: Config;
  readonly directory: string;
  /** Files that are read beside the testconfig are added: they belong to its hash. */
  readonly files: { path: string; text: string }[];
  readonly isCompatible: boolean;
};

export type StepsReading = {
  readonly steps: readonly Step[];
  readonly findings: readonly Finding[];
};

/** `{NAME=1,2}` before a command is kept for later; `{ignore-exit}` is ours. */
const PREFIX = /^\{([^\s{}]+)\}\s*/;
const IGNORE_EXIT = 'ignore-exit';
const RULE_SECTIONS = ['rules', 'logpro'] as const;

export function* readSteps(source: TestSource): Reading<StepsReading> {
  const entries = entriesOf(source.config, 'ezsteps');
  const steps: Step[] = [];
  const findings: Finding[] = [];
  for (const entry of entries) {
    const rules = yield* rulesOf(entry.key, source);
    findings.push(...triedRules(rules));
    steps.push(stepOf(entry, { rules, isCompatible: source.isCompatible, findings }));
  }
  const names = new Set(entries.map(({ key }) => key));
  for (const { key, origin } of RULE_SECTIONS.flatMap((name) => entriesOf(source.config, name))) {
    if (names.has(key)) continue;
    findings.push({ message: `no step has the name ${key}: its rules judge nothing`, origin });
  }
  return { steps, findings };
}

/** Rules of an imported area that no automaton can judge. */
function triedRules(rules: LogRules | null): readonly Finding[] {
  const tried = (rules?.rules ?? []).filter(({ patterns, origin }) =>
    patterns.some(
      (pattern) => compileLogRegex(pattern, origin, { isCompatible: true }).bound === 'steps',
    ),
  );
  const most = `${TRIED_STEPS_PER_CHARACTER} steps for each character`;
  const message = `references and looks are tried; a line that takes more than ${most} is to be checked`;
  return tried.map(({ origin }) => ({ message, origin }));
}

function stepOf(
  { key, value, origin }: Entry,
  about: {
    readonly rules: LogRules | null;
    readonly isCompatible: boolean;
    readonly findings: Finding[];
  },
): Step {
  const prefix = PREFIX.exec(value)?.[1];
  const command = value.replace(PREFIX, '').trim();
  const isOurs = prefix === IGNORE_EXIT && !about.isCompatible;
  if (prefix !== undefined && !isOurs) {
    about.findings.push({ message: `{${prefix}} before a command has no effect`, origin });
  }
  if (command === '') about.findings.push({ message: `step ${key} has no command`, origin });
  const ignoresExit = isOurs || (about.isCompatible && about.rules !== null);
  return { name: key, command, rules: about.rules, ignoresExit, origin };
}

function* rulesOf(step: string, source: TestSource): Reading<LogRules | null> {
  for (const section of RULE_SECTIONS) {
    const entry = entryOf(source.config, section, step);
    if (entry !== null && entry.value.trim() !== '') return readLogRules(entry, source);
  }
  return yield* rulesOfFile(`${source.directory}/${step}.logpro`, source);
}

/** Null when there is no such file. */
export function* rulesOfFile(path: string, source: TestSource): Reading<LogRules | null> {
  const answer: ConfigAnswer = yield { kind: 'file', path };
  if (answer.kind !== 'text' || answer.text === null) return null;
  source.files.push({ path, text: answer.text });
  return readLogpro(answer.text, { file: path, line: 1 }, source);
}
