/** What a runner asks of an area: its tests, as they are for one target and in a given environment. */
import { type AreaReading, readArea } from '../area/area.ts';
import { entriesOf } from '../area/entries.ts';
import {
  environmentOfEntries,
  expandTargets,
  patternOfTarget,
  readTarget,
  requireDeclared,
  type TargetReading,
  targetsOf,
} from '../area/targets.ts';
import { readTest } from '../area/testconfig.ts';
import type { Area, Environment, Finding, Item, TestDef } from '../area/types.ts';
import { TidelockError } from '../core/errors.ts';
import { readLater } from './config-host.ts';
import type { EnvironmentLayers } from './execution/environment.ts';

export type LateItems = {
  /** Null: there are none, and `reason` says why. */
  readonly items: readonly Item[] | null;
  readonly reason: string;
};

export interface TargetBook {
  readonly layers: EnvironmentLayers;
  /** Throws BAD_REQUEST when runconfigs.config has no section for the target. */
  requireDeclared(): void;
  /** The tests that runconfigs.config names for the target under a key; null: none. */
  pattern(key?: string): string | null;
  /** All tests of the area, as they read for planning. Throws AREA_UNFIT. */
  tests(env: Environment): Promise<ReadonlyMap<string, TestDef>>;
  /** One test, read anew with its whole environment. Its items are not looked at again. */
  test(name: string, env: Environment): Promise<TestDef>;
  /** The items of a test whose prerequisites are met. */
  items(name: string, env: Environment): Promise<LateItems>;
}

export interface AreaBook {
  readonly area: Area;
  readonly findings: readonly Finding[];
  /** Throws BAD_REQUEST for a target that the fields do not take. */
  target(target: string, setVars: Environment): Promise<TargetBook>;
  /** As it is written now. */
  again(): Promise<AreaBook>;
  /** Targets with a section of their own in runconfigs.config, sorted. */
  targets(): Promise<readonly string[]>;
}

/** Reads the area at `home`. Throws AREA_NOT_FOUND, AREA_UNFIT. */
export async function openAreaBook(home: string, environment: Environment): Promise<AreaBook> {
  const read = await readLater(readArea({ home, environment }));
  return new FileAreaBook(read, environment);
}

/** Of the targets of a text, in a hint. */
const TOLD_MAX = 10;

class FileAreaBook implements AreaBook {
  readonly area: Area;
  readonly findings: readonly Finding[];
  readonly #base: Environment;
  readonly #environment: Environment;

  constructor({ area, reading }: AreaReading, base: Environment) {
    this.area = area;
    this.findings = area.config.findings;
    this.#base = base;
    this.#environment = reading.environment;
  }

  async target(text: string, setVars: Environment): Promise<TargetBook> {
    const targets = expandTargets(this.area, text);
    const [target] = targets;
    if (target === undefined || targets.length > 1) throw severalTargets(text, targets);
    const reading = await readLater(readTarget(this.area, target, this.#environment));
    const layers = {
      ...{ base: this.#base, setVars, runConfigs: environmentOfEntries(reading.entries) },
      overrides: environmentOfEntries(entriesOf(this.area.config, 'env-override')),
    };
    return new FileTargetBook(this.area, reading, layers);
  }

  again(): Promise<AreaBook> {
    return openAreaBook(this.area.home, this.#base);
  }

  async targets(): Promise<readonly string[]> {
    const { reading } = await readLater(readTarget(this.area, 'default', this.#environment));
    return targetsOf(this.area, reading);
  }
}

class FileTargetBook implements TargetBook {
  readonly layers: EnvironmentLayers;
  readonly #area: Area;
  readonly #reading: TargetReading;

  constructor(area: Area, reading: TargetReading, layers: EnvironmentLayers) {
    this.layers = layers;
    this.#area = area;
    this.#reading = reading;
  }

  requireDeclared(): void {
    requireDeclared(this.#area, this.#reading);
  }

  pattern(key?: string): string | null {
    return patternOfTarget(this.#reading, key);
  }

  async tests(environment: Environment): Promise<ReadonlyMap<string, TestDef>> {
    const tests = new Map<string, TestDef>();
    for (const name of this.#area.tests.keys()) tests.set(name, await this.test(name, environment));
    return tests;
  }

  test(name: string, environment: Environment): Promise<TestDef> {
    return this.#read(name, { environment, expandsLate: false });
  }

  async items(name: string, environment: Environment): Promise<LateItems> {
    const { items } = await this.#read(name, { environment, expandsLate: true });
    switch (items.kind) {
      case 'known':
        return { items: items.items, reason: '' };
      case 'zero':
        return { items: null, reason: `${items.emptyKey} has no value, so there are no items` };
      default:
        return { items: null, reason: 'nothing gave items' };
    }
  }

  async #read(
    name: string,
    { environment, expandsLate }: { readonly environment: Environment; expandsLate: boolean },
  ): Promise<TestDef> {
    const target = this.#reading.entries;
    const options = { area: this.#area, name, environment, target, expandsLate };
    return (await readLater(readTest(options))).test;
  }
}

function severalTargets(text: string, targets: readonly string[]): TidelockError {
  return new TidelockError({
    code: 'BAD_REQUEST',
    message: `${text} stands for ${targets.length} targets`,
    hint: `a run has one target; start one for each: --target ${targets.slice(0, TOLD_MAX).join(', --target ')}`,
  });
}
