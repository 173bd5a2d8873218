/** What scripts of both kinds of simulated runs are made of. */
import { ScriptError } from '../../script/errors.ts';
import type { Call } from '../../script/run.ts';
import { mutantNamed, type SimMutant } from './mutants.ts';
import { CLEAN } from './print-plan.ts';
import type { Finding } from './run-plan.ts';

const WITNESS_LINES = 3;

type Section = Readonly<Record<string, number>>;

/** The sections with what the lines `SECTION key=value ...` of the call say. */
export function readSections<T extends Readonly<Record<string, Section>>>(
  call: Call,
  sections: T,
): T {
  const read: Record<string, Section> = { ...sections };
  for (const line of linesOf(call)) {
    const [name = '', ...pairs] = line.split(' ');
    const section = read[name];
    if (section === undefined) {
      const known = Object.keys(sections).join(', ');
      throw new ScriptError(call.place, `no section: ${line}`, `one of: ${known}`);
    }
    read[name] = withSettings(section, pairs, call);
  }
  return read as T;
}

function withSettings(section: Section, pairs: readonly string[], { place }: Call): Section {
  const settings: Record<string, number> = { ...section };
  for (const pair of pairs) {
    const [key = '', value = ''] = pair.split('=');
    if (!(key in settings) || !Number.isFinite(Number(value)) || value === '') {
      const known = Object.keys(settings).join(', ');
      throw new ScriptError(place, `no setting: ${pair}`, `a number for one of: ${known}`);
    }
    settings[key] = Number(value);
  }
  return settings;
}

/** The planted bug that the argument `bug` names, if it is there. */
export function mutantOf({ args }: Call): SimMutant | undefined {
  const bug = args.optional('bug');
  const mutant = bug === undefined ? undefined : mutantNamed(bug);
  if (bug === undefined || mutant !== undefined) return mutant;
  throw args.error('bug', `there is no bug ${bug}`, 'tidelock sim mutants --list');
}

export function linesOf({ input }: Call): readonly string[] {
  return input.split('\n').filter((line) => line.trim() !== '');
}

/** What `run` prints. */
export function outputOf(findings: readonly Finding[]): string {
  if (findings.length === 0) return CLEAN;
  return findings
    .flatMap(({ property, witness }) =>
      witness.slice(0, WITNESS_LINES).map((line) => `${property}: ${line.split('\n')[0]}\n`),
    )
    .join('');
}
