/**
 * Which variables of an execution may be shown to readers of results, value and all: those that the area's own configuration
 * has set, for everybody who reads results may read that too. What the runner was started with stays unsaid, for that is where
 * secrets are; so does what is named or looks like one, or was made of one.
 */
import type { Environment, Item } from '../../area/types.ts';
import type { EnvironmentLayers } from './environment.ts';

const SECRET_NAME = /pass|secret|token|key|cred|auth|private|cookie|session|dsn|salt|pin$|^pg/i;
/** A password in an address, and the beginning of a private key. */
const SECRET_VALUE = /:\/\/[^/\s@]*:[^/\s@]*@|-----BEGIN /;
/** Shorter ones are found by chance everywhere. */
const SECRET_CHARS_MIN = 4;

export type NotedVariables = {
  /** Names whose values may be told. */
  readonly told: readonly string[];
  /** Names that were given with `--set-var`. */
  readonly setVars: readonly string[];
};

export type VariableSources = {
  /** The whole of it. */
  readonly env: Environment;
  readonly layers: EnvironmentLayers;
  readonly launchEnvironment: Environment;
  readonly fields: readonly string[];
  readonly item: Item | null;
};

export function noteVariables(from: VariableSources): NotedVariables {
  const { env, layers } = from;
  const setVars = Object.keys(layers.setVars);
  const configured = [
    ...[...Object.keys(layers.runConfigs), ...Object.keys(layers.overrides)],
    ...[...Object.keys(from.launchEnvironment), ...from.fields],
    ...(from.item?.variables ?? []).map(([name]) => name),
  ];
  const secrets = secretsOf(layers);
  const isTellable = (name: string): boolean => {
    const value = env[name];
    if (value === undefined || isSecret(name, value)) return false;
    return !secrets.some((secret) => value.includes(secret));
  };
  // Given in the request itself, which stands in the queue for every reader to see.
  const told = [...new Set([...configured, ...setVars])].filter(isTellable).sort();
  return { told, setVars: setVars.sort() };
}

const isSecret = (name: string, value: string): boolean =>
  SECRET_NAME.test(name) || SECRET_VALUE.test(value);

/** Values that a configuration may have put into others. */
function secretsOf({ base, runConfigs, setVars, overrides }: EnvironmentLayers): readonly string[] {
  return [base, runConfigs, setVars, overrides].flatMap((layer) =>
    Object.entries(layer).flatMap(([name, value]) =>
      isSecret(name, value) && value.length >= SECRET_CHARS_MIN ? [value] : [],
    ),
  );
}
