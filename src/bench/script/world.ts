/** What a script is run against. Each world has its own directives; the runner knows none of them. */
import type { Call } from '../../script/run.ts';
import type { Settings } from '../../script/types.ts';
import type { BugName } from '../stress/bugs/catalog.ts';

export type World = {
  /**
   * The output of one case. Expected errors are part of it (`errorText`); what is thrown breaks the case: a
   * `ScriptError` for a directive that does not exist or is used wrongly.
   */
  handle(call: Call): string | Promise<string>;
  /** Folders of this run, to be hidden by `normalise=temp`. */
  readonly folders?: (() => readonly string[]) | undefined;
  close(): Promise<void>;
};

export type WorldContext = {
  /** Path of the script. */
  readonly file: string;
  readonly settings: Settings;
  /** The variant that was asked for, or that the header names. */
  readonly profile: string | undefined;
  /** Superuser URL of a Postgres; started when it is first asked for, and shared by all files of a run. */
  readonly postgres: () => Promise<string>;
  /** A bug that the script must find, for tests of the scripts. */
  readonly plant?: BugName | undefined;
  readonly signal: AbortSignal;
};

/** Makes a fresh world for one run of one file. Throws `ScriptError` for a profile that it does not have. */
export type OpenWorld = (context: WorldContext) => World | Promise<World>;
