/**
 * What an area says: its configuration as read, with the origin of every value, and the tests in it.
 *
 * Reading a configuration asks for things of the world (files, output of commands). The readers are
 * generators: they yield a `ConfigRequest` and are given a `ConfigAnswer`, so that they stay pure and the
 * caller decides whether it waits.
 */

/** Where a value was written. Lines count from 1. */
export type Origin = { readonly file: string; readonly line: number };

/** Something the reader of a configuration should hear of; it does not stop the reading. */
export type Finding = { readonly message: string; readonly origin: Origin };

export type ConfigRequest =
  /** Text of a file, or null when there is none. */
  | { readonly kind: 'file'; readonly path: string }
  /** `[system CMD]`, `#{shell CMD}`, `#{system CMD}`: a command of the shell, in `cwd`, with `env` over the caller's. */
  | {
      readonly kind: 'shell';
      readonly command: string;
      readonly cwd: string;
      readonly env: Environment;
    }
  /** A value of an environment section, with `$VAR` as the shell expands it. */
  | { readonly kind: 'expand'; readonly text: string; readonly env: Environment }
  /** The path without links; null when there is nothing. */
  | { readonly kind: 'realPath'; readonly path: string }
  /** Names in a directory, sorted; empty when there is none. */
  | { readonly kind: 'list'; readonly path: string };

export type ConfigAnswer =
  | { readonly kind: 'text'; readonly text: string | null }
  | { readonly kind: 'output'; readonly stdout: string; readonly exitCode: number }
  | { readonly kind: 'names'; readonly names: readonly string[] };

/** A reading that asks; the driver answers each request, at once or later. */
export type Reading<T> = Generator<ConfigRequest, T, ConfigAnswer>;

export type Environment = Readonly<Record<string, string>>;

export type Entry = {
  readonly key: string;
  readonly value: string;
  readonly origin: Origin;
  /** Where each line of a value of several lines was written. */
  readonly lines?: readonly number[];
};

/** Entries in the order that the grammar gives: a redefined key moves to the end. */
export type Section = { readonly name: string; readonly entries: readonly Entry[] };

export type Config = {
  readonly sections: ReadonlyMap<string, Section>;
  readonly findings: readonly Finding[];
};

/** `megatest.config` and what is found from it. */
export type Area = {
  readonly name: string;
  /** Absolute path of the directory. */
  readonly home: string;
  /** Names of the fields of a target, in order. */
  readonly fields: readonly string[];
  readonly linkTree: string;
  readonly disks: readonly { readonly name: string; readonly path: string }[];
  readonly jobsMax: number;
  /** Job group -> how many of its executions at once. */
  readonly jobGroups: ReadonlyMap<string, number>;
  /** Named resource -> how many there are; a test takes some by `requirements` / `resources`. */
  readonly resources: ReadonlyMap<string, number>;
  /** Per-CPU load above which nothing starts; null: no gate. */
  readonly loadMax: number | null;
  /** How long nothing starts after the load was above that, in seconds. */
  readonly waitDelayS: number;
  /** At least this long between two launches, in seconds. */
  readonly launchDelayS: number;
  readonly runTimeLimitS: number | null;
  /** STATE/STATUS pairs that a new start resets to NOT_STARTED. */
  readonly autoRerun: readonly StateStatus[];
  /** Directory of tests by name; the first path that has a name wins. */
  readonly tests: ReadonlyMap<string, string>;
  /** Imported Megatest areas keep its compatible behaviour where ours is stricter. */
  readonly isCompatible: boolean;
  readonly settings: AreaSettings;
  readonly config: Config;
};

export type HostType = {
  /** Null: the runner starts the steps itself. */
  readonly command: string | null;
  /** Of `[hosts]`; one after the other is given to the command as TIDELOCK_HOST. */
  readonly hosts: readonly string[];
};

export type Launchers = {
  /** Null: the runner starts the steps itself. */
  readonly standard: string | null;
  /** The first pattern of test and item that matches counts; what none matches takes the standard one. */
  readonly byPattern: readonly { readonly pattern: string; readonly type: HostType }[];
};

/** What an area says of how its tests are executed; the planner needs none of it. */
export type AreaSettings = {
  readonly launchers: Launchers;
  /** A job that a launcher was given and that does not show itself for so long is lost, in seconds. */
  readonly deadTimeS: number;
  /** Room that a disk must have before an execution is put on it. */
  readonly minSpaceBytes: number;
  /** Room that the area's own disk must have before anything of a run starts. */
  readonly areaSpaceBytes: number;
  /** Prints the free KiB of the path that it is given, in the place of the file system. */
  readonly freeSpaceCommand: string | null;
  /** Fills a work area in the place of a copy: TEST_SRC_PATH and TEST_TARG_PATH stand for the folders. */
  readonly copyCommand: string | null;
  /** Runs before a run that has no tests yet. */
  readonly preHook: string | null;
  /** How often an execution that failed or was lost runs again within a run. */
  readonly rerunsMax: number;
  /** What the comment of a waiver must look like; null: anything. */
  readonly waiverComment: string | null;
  /** Test with items -> the script whose output is its page. */
  readonly rollUpScripts: ReadonlyMap<string, string>;
  /** Words that a test may give a step as its state and status; empty: any. */
  readonly validStates: readonly string[];
  readonly validStatuses: readonly string[];
  /** Areas whose runs count as earlier ones. */
  readonly referenceAreas: readonly { readonly name: string; readonly path: string }[];
};

export type StateStatus = { readonly state: string; readonly status: string };

/** One value per field, joined by `/`. */
export type Target = string;

/**
 * What a dependent waits for. `normal`: the whole test, good; `toplevel`: the whole test, ended however;
 * `itemwait`: the item that its own maps to, good; `itemwait-toplevel`: that item, ended however.
 */
export type Mode = 'normal' | 'toplevel' | 'itemwait' | 'itemwait-toplevel';

/** Lines of `regex replacement`, applied in order, each to its first match. */
export type ItemMap = readonly { readonly pattern: string; readonly replacement: string }[];

export type Prerequisite = {
  readonly test: string;
  readonly mode: Mode;
  /** Maps an item path of the dependent backwards to one of the prerequisite. */
  readonly map: ItemMap;
  /** Of `waitor`: one of these is enough. */
  readonly isEither: boolean;
  readonly origin: Origin;
};

export type Step = {
  readonly name: string;
  readonly command: string;
  /** Rules that judge the step's log; null: its exit code does. */
  readonly rules: LogRules | null;
  /** A non-zero exit is no failure by itself (native areas; implied by rules in imported ones). */
  readonly ignoresExit: boolean;
  readonly origin: Origin;
};

export type RuleKind =
  | 'error'
  | 'warning'
  | 'required'
  | 'ignore'
  | 'check'
  | 'waive'
  | 'abort'
  | 'skip'
  | 'value';
export type Comparator = '=' | '>' | '<' | '>=' | '<=';

export type LogRule = {
  readonly kind: RuleKind;
  readonly section: string;
  readonly comparator: Comparator;
  readonly count: number;
  readonly description: string;
  /** Alternatives; a line that matches any counts. */
  readonly patterns: readonly { readonly source: string; readonly flags: string }[];
  /** Only of `value`: what the group `match` of the pattern is compared with. */
  readonly value: {
    readonly expected: string;
    readonly tolerance: string;
    readonly match: number;
  } | null;
  readonly origin: Origin;
};

export type LogRules = {
  /** Sections of a log, from a line that matches `from` to one that matches `to`. */
  readonly sections: readonly {
    readonly name: string;
    readonly from: string;
    readonly to: string;
  }[];
  readonly rules: readonly LogRule[];
};

/**
 * Items of a test. `late`: a command or script is asked for them, so they are expanded when all
 * prerequisites that are not of mode `itemwait` are met, once per run.
 */
export type Items =
  | { readonly kind: 'none' }
  /** `variables` per item, in order; the item path is their values joined by `/`. */
  | { readonly kind: 'known'; readonly items: readonly Item[] }
  | { readonly kind: 'late' }
  /** A key without a value: the test ends NOT_STARTED/ZERO_ITEMS. */
  | { readonly kind: 'zero'; readonly emptyKey: string };

export type Item = {
  readonly path: string;
  readonly variables: readonly (readonly [name: string, value: string])[];
};

export type SkipRule =
  | { readonly kind: 'running' }
  | { readonly kind: 'fileExists'; readonly path: string }
  | { readonly kind: 'delay'; readonly seconds: number };

export type Waiver = {
  readonly name: string;
  readonly glob: string;
  /** null: a plain diff of the two files; otherwise rules that judge the diff. */
  readonly rules: LogRules | null;
  /** Of `[waiver_rules]`: run in the place of the diff, with %file1% (old) and %file2% (new); null: a diff. */
  readonly command: string | null;
  readonly origin: Origin;
};

/** A command when an execution enters a state, a status, or both; null: any. */
export type Trigger = {
  readonly state: string | null;
  readonly status: string | null;
  readonly command: string;
};

/** A testconfig as read for one run, before its items are known. */
export type TestDef = {
  readonly name: string;
  readonly directory: string;
  readonly runScript: string | null;
  readonly steps: readonly Step[];
  readonly prerequisites: readonly Prerequisite[];
  /** May not run while the same test and item runs in any run. */
  readonly isExclusive: boolean;
  readonly items: Items;
  /** Higher first. */
  readonly priority: number;
  readonly runTimeLimitS: number | null;
  readonly jobGroup: string | null;
  readonly resources: ReadonlyMap<string, number>;
  readonly skip: SkipRule | null;
  readonly waivers: readonly Waiver[];
  readonly triggers: readonly Trigger[];
  readonly launchEnvironment: readonly Entry[];
  /** In the place of the area's; null: the area's. */
  readonly disks: Area['disks'] | null;
  /** Room that its disk must have, beyond what the area wants; null: no more. */
  readonly diskSpaceBytes: number | null;
  readonly tags: readonly string[];
  readonly meta: ReadonlyMap<string, string>;
  /** Of everything read for it: a result of another text is STALE. */
  readonly hash: string;
  readonly findings: readonly Finding[];
};
