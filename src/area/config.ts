/**
 * The grammar of all configurations of an area: lines, sections, values, and what a file may ask for while it is
 * read. docs/areas.md numbers its rules.
 */
import { unfit } from './errors.ts';
import {
  type CommandResult,
  expandHelpers,
  type HelperWorld,
  hasCommand,
  oneLine,
  quoted,
  runCommand,
} from './helpers.ts';
import {
  INCLUDE_DEPTH_MAX,
  INCLUDES_MAX,
  LINE_CHARS_MAX,
  TEXT_CHARS_MAX,
  VARIABLE_CHARS_MAX,
} from './limits.ts';
import { type Line, linesOf } from './lines.ts';
import { folderOf, resolvePath } from './paths.ts';
import { Sections } from './sections.ts';
import { expandValue } from './shell-words.ts';
import type {
  Config,
  ConfigAnswer,
  Entry,
  Environment,
  Finding,
  Origin,
  Reading,
} from './types.ts';

export type ReadOptions = {
  /** Absolute. A file that is not there reads as an empty one. */
  readonly path: string;
  /** The area's folder: commands run there. */
  readonly home: string;
  readonly environment: Environment;
  /** `#f` is an empty value, blanks at the end of a value are kept. */
  readonly isCompatible: boolean;
  /** The environment sections: their values are expanded as by a shell, and exported at once. */
  readonly exports: (section: string) => boolean;
  /** Sections that exist before the first line. */
  readonly sections?: readonly string[];
  /** What `#{rget NAME}` finds. */
  readonly rget?: (key: string) => string | null;
  /**
   * Sections whose commands may need what a prerequisite makes. Unless `runs`, nothing is run there now, and
   * `deferred` has those in which something would have been.
   */
  readonly late?: { readonly sections: readonly string[]; readonly runs: boolean };
};

/** `isSettled`: it does not depend on when it is read, as the output of a script does. */
export type ReadText = {
  readonly path: string;
  readonly text: string;
  readonly isSettled: boolean;
};

export type ConfigReading = {
  readonly config: Config;
  /** What was exported, in order. */
  readonly exported: readonly Entry[];
  /** The caller's environment with what was exported. */
  readonly environment: Environment;
  /** Every file and every script's output that was read, with its name. */
  readonly texts: readonly ReadText[];
  readonly deferred: ReadonlySet<string>;
  /** Sections that are written in the file, wildcards too. */
  readonly declared: ReadonlySet<string>;
  /** Sections that `#{get SECTION KEY}` has asked for. */
  readonly asked: ReadonlySet<string>;
};

const BLANK = /^\s*$/;
/** `#{` begins a helper. */
const COMMENT = /^\s*#(?!\{)/;
// Every expression below takes time in proportion to the line, also when it does not match.
const SETTINGS = /^\[configf:settings\s+(\S+)\s+(\S+)\s*\]$/;
const INCLUDE = /^\[include\s+(\S.*)\]$/s;
const SCRIPT = /^\[scriptinc\s+([^\s\]]+)(\s[^\]]*)?\]$/;
const SECTION = /^\[(.*)\]$/s;
const KEY_COMMAND = /^(\S+)\s+\[system\s+(\S.*)\]$/s;
const KEY_VALUE = /^(\S+)(?:\s+(.*))?$/s;
const CONTINUATION = /^(\s+)(\S.*)$/s;

const FINDINGS_MAX = 1000;

/** Reads one file with everything that it includes. Throws AREA_UNFIT. */
export function* readConfig(options: ReadOptions): Reading<ConfigReading> {
  const reader = new Reader(options);
  yield* reader.readFile(options.path, []);
  yield* reader.endSection();
  return reader.result();
}

/** The last key of a section, while lines may still continue it. */
type Open = {
  readonly key: string;
  readonly origin: Origin;
  readonly lines: number[];
  indent: string | null;
};

class Reader {
  readonly #options: ReadOptions;
  readonly #sections: Sections;
  readonly #findings: Finding[] = [];
  readonly #exported: Entry[] = [];
  readonly #environment: Record<string, string>;
  readonly #texts: ReadText[] = [];
  readonly #deferred = new Set<string>();
  readonly #declared = new Set<string>();
  readonly #asked = new Set<string>();
  #section = 'default';
  #open: Open | null = null;
  #trims: boolean;

  constructor(options: ReadOptions) {
    this.#options = options;
    this.#environment = { ...options.environment };
    this.#sections = new Sections(options.sections ?? []);
    this.#trims = !options.isCompatible;
  }

  result(): ConfigReading {
    return {
      config: { sections: this.#sections.all(), findings: this.#findings },
      exported: this.#exported,
      environment: this.#environment,
      texts: this.#texts,
      deferred: this.#deferred,
      declared: this.#declared,
      asked: this.#asked,
    };
  }

  /** `within`: the files that include this one, outermost first. */
  *readFile(path: string, within: readonly string[], from?: Origin): Reading<void> {
    const origin = from ?? { file: path, line: 1 };
    if (within.includes(path)) {
      throw unfit(`the file includes itself: ${[...within, path].join(' -> ')}`, origin);
    }
    const answer: ConfigAnswer = yield { kind: 'file', path };
    const text = answer.kind === 'text' ? answer.text : null;
    if (text === null && this.#isDeferring()) this.#deferred.add(this.#section);
    if (text === null) return;
    const isSettled = !this.#isLate();
    yield* this.#readText({ path, text, isSettled }, { within: [...within, path], origin });
  }

  *#readText(
    read: ReadText,
    at: { readonly within: readonly string[]; readonly origin: Origin },
  ): Reading<void> {
    const { path, text } = read;
    if (text.length > TEXT_CHARS_MAX) {
      throw unfit(`${path} has more than ${TEXT_CHARS_MAX} characters`, at.origin);
    }
    if (at.within.length > INCLUDE_DEPTH_MAX) {
      throw unfit(`files include one another more than ${INCLUDE_DEPTH_MAX} deep`, at.origin);
    }
    if (this.#texts.length >= INCLUDES_MAX) {
      throw unfit(`more than ${INCLUDES_MAX} files are included`, at.origin);
    }
    this.#texts.push(read);
    for (const line of linesOf(text, path)) yield* this.#readLine(line, at.within);
  }

  *#readLine(line: Line, within: readonly string[]): Reading<void> {
    if (line.text.length > LINE_CHARS_MAX) {
      throw unfit(`a line has more than ${LINE_CHARS_MAX} characters`, line.origin);
    }
    // Before expansion, too: what is commented out is not run.
    if (COMMENT.test(line.text)) return;
    if (this.#isDeferring() && this.#wouldRun(line.text)) {
      this.#deferred.add(this.#section);
      this.#open = null;
      return;
    }
    const text = yield* expandHelpers(line, this.#world(line.origin));
    if (COMMENT.test(text)) return;
    if (BLANK.test(text)) this.#open = null;
    else if (text.startsWith('[')) yield* this.#readBracket(text.trimEnd(), line, within);
    else if (/^\s/.test(text)) yield* this.#continue(text, line.origin);
    else yield* this.#readKey(text, line.origin);
  }

  #isLate(): boolean {
    return this.#options.late?.sections.includes(this.#section) === true;
  }

  #isDeferring(): boolean {
    return this.#isLate() && this.#options.late?.runs === false;
  }

  #wouldRun(text: string): boolean {
    const cut = text.trimEnd();
    return hasCommand(text) || SCRIPT.test(cut) || KEY_COMMAND.test(cut);
  }

  *#readBracket(text: string, line: Line, within: readonly string[]): Reading<void> {
    const { origin } = line;
    const settings = SETTINGS.exec(text);
    const include = INCLUDE.exec(text);
    const script = SCRIPT.exec(text);
    const section = SECTION.exec(text);
    this.#open = null;
    if (settings !== null) this.#set(settings[1] ?? '', settings[2] ?? '', origin);
    else if (include !== null) {
      const path = resolvePath(folderOf(origin.file), include[1]?.trim() ?? '');
      yield* this.readFile(path, within, origin);
    } else if (script !== null) {
      yield* this.#readScript(script[1] ?? '', script[2] ?? '', { within, origin });
    } else if (section !== null) {
      yield* this.endSection();
      this.#section = (section[1] ?? '').trim();
      this.#declared.add(this.#section);
      this.#sections.open(this.#section);
    } else {
      this.#tell('a line that begins with "[" ends with "]"; it is read as a key', origin);
      yield* this.#readKey(text, origin);
    }
  }

  #set(name: string, value: string, origin: Origin): void {
    if (name === 'trim-trailing-spaces') this.#trims = value === 'yes';
    else this.#tell(`${name} is no setting of the parser; only trim-trailing-spaces is`, origin);
  }

  *#readScript(
    script: string,
    words: string,
    at: { readonly within: readonly string[]; readonly origin: Origin },
  ): Reading<void> {
    const path = resolvePath(folderOf(at.origin.file), script);
    const found: ConfigAnswer = yield { kind: 'realPath', path };
    const program = found.kind === 'text' && found.text !== null ? quoted(path) : script;
    const result = yield* this.#command(`${program}${words}`, at.origin);
    const shown = { ...at, within: [...at.within, `${path}${words}`] };
    yield* this.#readText({ path, text: result.stdout, isSettled: false }, shown);
  }

  *#command(command: string, origin: Origin): Reading<CommandResult> {
    const result = yield* runCommand(command, this.#world(origin));
    if (result.exitCode === 0) return result;
    this.#tell(`the command failed with exit code ${result.exitCode}: ${command}`, origin);
    return { ...result, stdout: '' };
  }

  *#readKey(text: string, origin: Origin): Reading<void> {
    const command = KEY_COMMAND.exec(text.trimEnd());
    const [, key = '', plain = ''] = command ?? KEY_VALUE.exec(text) ?? [];
    this.#open = { key, origin, lines: [origin.line], indent: null };
    const value =
      command === null
        ? yield* this.#value(plain, origin)
        : oneLine((yield* this.#command(plain, origin)).stdout);
    this.#keep(this.#section, { key, value, origin });
  }

  /** The first continuation's indent is taken off the others too. */
  *#continue(text: string, origin: Origin): Reading<void> {
    const open = this.#open;
    const [, indent = '', rest = ''] = CONTINUATION.exec(text) ?? [];
    if (open === null) {
      this.#tell('an indented line that continues no value is left out', origin);
      return;
    }
    open.indent ??= indent;
    const own = text.startsWith(open.indent) ? text.slice(open.indent.length) : rest;
    const before = this.#sections.get(this.#section, open.key) ?? '';
    const value = `${before}\n${yield* this.#value(own, origin)}`;
    if (value.length > TEXT_CHARS_MAX) throw unfit(`the value of ${open.key} is too long`, origin);
    open.lines.push(origin.line);
    this.#keep(this.#section, {
      ...{ key: open.key, value, origin: open.origin, lines: [...open.lines] },
    });
  }

  #cleaned(value: string): string {
    if (this.#options.isCompatible && value.trim() === '#f') return '';
    return this.#trims ? value.trimEnd() : value;
  }

  /** As it is written; in an environment section as a shell would have it. What a command prints stays as it is. */
  *#value(text: string, origin: Origin): Reading<string> {
    const isExported = this.#options.exports(this.#section);
    return isExported ? yield* this.#expanded(text, origin) : this.#cleaned(text);
  }

  #expanded(value: string, origin: Origin): Reading<string> {
    checkVariable(value, origin);
    return expandValue(value, this.#environment);
  }

  #keep(section: string, entry: Entry): void {
    this.#sections.put(section, entry);
    if (!this.#options.exports(section)) return;
    checkVariable(entry.value, entry.origin);
    this.#environment[entry.key] = entry.value;
    this.#exported.push(entry);
  }

  /** A wildcard section is copied over the sections that it matches now, and is gone. */
  *endSection(): Reading<void> {
    for (const { section, entry } of this.#sections.takeWildcard(this.#section)) {
      const isExported = this.#options.exports(section);
      const value = isExported ? yield* this.#expanded(entry.value, entry.origin) : entry.value;
      this.#keep(section, { ...entry, value });
    }
  }

  #world(origin: Origin): HelperWorld {
    return {
      home: this.#options.home,
      environment: this.#environment,
      get: (section, key) => {
        this.#asked.add(section);
        return this.#sections.get(section, key);
      },
      rget: (key) => (this.#options.rget ?? ((name) => this.#ownRget(name)))(key),
      tell: (message) => this.#tell(message, origin),
    };
  }

  /** In runconfigs.config itself: the pre-made section is the target's. */
  #ownRget(key: string): string | null {
    const [target = 'default'] = this.#options.sections ?? [];
    return this.#sections.get(target, key) ?? this.#sections.get('default', key);
  }

  #tell(message: string, origin: Origin): void {
    if (this.#findings.length < FINDINGS_MAX) this.#findings.push({ message, origin });
  }
}

function checkVariable(value: string, origin: Origin): void {
  if (value.length <= VARIABLE_CHARS_MAX) return;
  throw unfit(`a variable has more than ${VARIABLE_CHARS_MAX} characters`, origin);
}
