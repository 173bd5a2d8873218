/**
 * What one writer knows: the rows that are his alone, and what the next transaction does to them. Decides
 * only; src/bench/demo/workload.ts sends it to Postgres. Planning assumes that the transaction commits.
 */
import { assert } from '../../core/assert.ts';
import type { SeededRandom } from '../random.ts';
import type { OpChange } from '../stress/evidence.ts';
import type { City, Kind } from './places.ts';

/** Ids from here on are places that the workload has founded. */
export const FOUNDED_ID_MIN = 100_000_000;

/** People in one relocation, at most. */
const PEOPLE_MAX = 500;
const BULK_ROWS = 40;
const UPDATES_MAX = 4;
const INSERTS_MAX = 3;
const MOVES_MAX = 2;
const DELETES_MAX = 2;
/** With so few places in a country, founding replaces deleting. */
const ROWS_MIN = 8;

export type Statement = {
  readonly sql: string;
  readonly params: readonly string[];
  /** What it does to which rows, for the evidence. */
  readonly changes: readonly OpChange[];
};

export type TransactionKind =
  | 'insert'
  | 'update'
  | 'delete'
  | 'move'
  | 'relocation'
  | 'bulk'
  | 'everyone';

export type Plan = {
  readonly kind: TransactionKind;
  readonly statements: readonly Statement[];
  /** Rows inserted, updated or deleted. */
  readonly changes: number;
  /** Countries whose replicas get something of it. */
  readonly countries: ReadonlySet<string>;
};

/** How often each kind comes by chance, out of their sum. */
const WEIGHTS: readonly (readonly [TransactionKind, number])[] = [
  ['update', 34],
  ['insert', 16],
  ['delete', 9],
  ['move', 14],
  ['relocation', 24],
  ['everyone', 2],
];

const INSERT_SQL =
  'INSERT INTO city VALUES ($1::int4, $2, $3, $4, $5, $6::int4, $7::float8, $8::float8)';
const DELETE_SQL = 'DELETE FROM city WHERE id = $1::int4';
const POPULATION_SQL = 'UPDATE city SET population = $2::int4 WHERE id = $1::int4';
const COUNTRY_SQL = 'UPDATE city SET country = $2 WHERE id = $1::int4';
const BULK_SQL = 'UPDATE city SET population = population + 1 WHERE id = ANY ($1::int4[])';
const RELOCATION_SQL =
  'INSERT INTO relocation VALUES ($1::int8, $2, $3::int4, $4::int4, $5::int4, $6::timestamptz)';
const EDITS_SQL = 'UPDATE kind SET edits = $2::int4 WHERE code = $1';

export type AtlasOptions = {
  readonly random: SeededRandom;
  readonly cities: readonly City[];
  readonly kinds: readonly Kind[];
  /** For the time of relocations. */
  readonly now: () => Date;
  /** Countries that the workload writes in. */
  readonly countries: readonly string[];
  /** The first free ids and the step to the next one: writers never take the same. */
  readonly cityId: number;
  readonly relocationId: number;
  readonly step: number;
};

export class Atlas {
  readonly #random: SeededRandom;
  readonly #countries: readonly string[];
  readonly #step: number;
  readonly #rows = new Map<number, City>();
  readonly #idsByCountry = new Map<string, number[]>();
  readonly #kinds: Map<string, Kind>;
  readonly #now: () => Date;
  readonly #deleted: City[] = [];
  #cityId: number;
  #relocationId: number;

  constructor(options: AtlasOptions) {
    this.#random = options.random;
    this.#countries = options.countries;
    this.#step = options.step;
    this.#cityId = options.cityId;
    this.#relocationId = options.relocationId;
    this.#now = options.now;
    this.#kinds = new Map(options.kinds.map((kind) => [kind.code, kind]));
    for (const country of options.countries) this.#idsByCountry.set(country, []);
    for (const city of options.cities) this.#add(city);
  }

  /** The next transaction, by chance. */
  next(): Plan {
    return this.plan(this.#kind());
  }

  plan(kind: TransactionKind): Plan {
    switch (kind) {
      case 'insert':
        return this.#insert();
      case 'update':
        return this.#update();
      case 'delete':
        return this.#delete();
      case 'move':
        return this.#move();
      case 'relocation':
        return this.#relocate();
      case 'bulk':
        return this.#bulk();
      default:
        return this.#edit();
    }
  }

  /** A transaction that is NOT going to commit: new places, and changes to present ones. */
  planRolledBack(count: number): {
    readonly ids: readonly number[];
    readonly statements: readonly Statement[];
  } {
    const statements: Statement[] = [];
    const ids: number[] = [];
    for (let index = 0; index < count; index += 1) {
      const city = this.#found(this.#random.pick(this.#countries));
      ids.push(city.id);
      const present = this.#present(this.#random.pick(this.#countries));
      statements.push(insertOf(city), populationOf({ ...present, population: 0 }));
    }
    return { ids, statements };
  }

  #kind(): TransactionKind {
    let rest = this.#random.next() * WEIGHTS.reduce((sum, [, weight]) => sum + weight, 0);
    for (const [kind, weight] of WEIGHTS) {
      rest -= weight;
      if (rest < 0) return kind;
    }
    return 'update';
  }

  /** New places; or one that this run has deleted comes back under its old key. */
  #insert(): Plan {
    const cities = Array.from({ length: this.#random.between(1, INSERTS_MAX) }, () => {
      const deleted = this.#random.next() < 0.3 ? this.#deleted.pop() : undefined;
      const city = deleted ?? this.#found(this.#random.pick(this.#countries));
      this.#write(city);
      return city;
    });
    return planOf('insert', cities.map(insertOf), cities);
  }

  #update(): Plan {
    const cities = this.#somePresent(UPDATES_MAX).map((city) =>
      this.#write({ ...city, population: this.#random.between(0, 2 * city.population + 100) }),
    );
    return planOf('update', cities.map(populationOf), cities);
  }

  #delete(): Plan {
    const cities = this.#somePresent(DELETES_MAX);
    if (this.#isScarce(cities)) return this.#insert();
    for (const city of cities) {
      this.#remove(city);
      this.#deleted.push(city);
    }
    return planOf('delete', cities.map(deletionOf), cities);
  }

  /** Places go to another country: for one replica they vanish, for the other they are new. */
  #move(): Plan {
    const before = this.#somePresent(MOVES_MAX);
    if (this.#isScarce(before)) return this.#insert();
    const after = before.map((city) => {
      const others = this.#countries.filter((country) => country !== city.country);
      return this.#write({ ...city, country: this.#random.pick(others) });
    });
    const statements = after.map((city) => ({
      ...{ sql: COUNTRY_SQL, params: [`${city.id}`, city.country] },
      changes: [changeOf('update', city)],
    }));
    return planOf('move', statements, [...before, ...after]);
  }

  /** People move from one place to another of the country: two tables, three rows, one transaction. */
  #relocate(): Plan {
    const country = this.#random.pick(this.#countries);
    const [from, to] = this.#twoPresent(country);
    const people = this.#random.between(0, Math.min(PEOPLE_MAX, from.population));
    const left = this.#write({ ...from, population: from.population - people });
    const joined = this.#write({ ...to, population: to.population + people });
    const id = this.#relocationId;
    this.#relocationId += this.#step;
    const params = [...[id, country, from.id, to.id, people].map(String), timeOf(this.#now())];
    const [, , from_city = '', to_city = '', number = '', at = ''] = params;
    const row = { id: `${id}`, country, from_city, to_city, people: number, at };
    const change: OpChange = { table: 'public.relocation', op: 'insert', key: `${id}`, row };
    const statement = { sql: RELOCATION_SQL, params, changes: [change] };
    return planOf('relocation', [...[left, joined].map(populationOf), statement], [left, joined]);
  }

  /** Many rows with one statement. */
  #bulk(): Plan {
    const chosen = new Map<number, City>();
    for (let index = 0; index < BULK_ROWS; index += 1) {
      const city = this.#present(this.#random.pick(this.#countries));
      chosen.set(city.id, city);
    }
    const cities = [...chosen.values()].map((city) =>
      this.#write({ ...city, population: city.population + 1 }),
    );
    const statement = {
      ...{ sql: BULK_SQL, params: [`{${[...chosen.keys()].join()}}`] },
      changes: cities.map((city) => changeOf('update', city)),
    };
    return planOf('bulk', [statement], cities);
  }

  /** A row that every replica has. */
  #edit(): Plan {
    const before = this.#random.pick([...this.#kinds.values()]);
    const kind = { ...before, edits: before.edits + 1 };
    const { code } = kind;
    this.#kinds.set(code, kind);
    const row = { ...kind, edits: `${kind.edits}` };
    const change: OpChange = { table: 'public.kind', op: 'update', key: code, row };
    const statement = { sql: EDITS_SQL, params: [code, `${kind.edits}`], changes: [change] };
    return { ...planOf('everyone', [statement], []), countries: new Set(this.#countries) };
  }

  /** Different places of one country. */
  #somePresent(countMax: number): readonly City[] {
    const country = this.#random.pick(this.#countries);
    const chosen = new Map<number, City>();
    const count = this.#random.between(1, countMax);
    for (let index = 0; index < count; index += 1) {
      const city = this.#present(country);
      chosen.set(city.id, city);
    }
    return [...chosen.values()];
  }

  #present(country: string): City {
    return this.#at(country, this.#random.between(0, this.#idsOf(country).length - 1));
  }

  #twoPresent(country: string): readonly [City, City] {
    const count = this.#idsOf(country).length;
    const first = this.#random.between(0, count - 1);
    const second = (first + this.#random.between(1, count - 1)) % count;
    return [this.#at(country, first), this.#at(country, second)];
  }

  #at(country: string, index: number): City {
    const city = this.#rows.get(this.#idsOf(country)[index] ?? 0);
    assert(city !== undefined, `a listed place of ${country} has a row`);
    return city;
  }

  #idsOf(country: string): number[] {
    const ids = this.#idsByCountry.get(country) ?? [];
    assert(ids.length > 1, `there are places in ${country}`);
    return ids;
  }

  /** A country never runs out of places, however often the demo is run. */
  #isScarce([city]: readonly City[]): boolean {
    return city !== undefined && this.#idsOf(city.country).length <= ROWS_MIN;
  }

  #found(country: string): City {
    const id = this.#cityId;
    this.#cityId += this.#step;
    return {
      ...{ id, country, name: `Nova ${id - FOUNDED_ID_MIN}`, admin: '00', kind: 'PPL' },
      population: this.#random.between(1, 5000),
      lat: this.#random.between(-9_000_000, 9_000_000) / 1e5,
      lon: this.#random.between(-18_000_000, 18_000_000) / 1e5,
    };
  }

  #write(city: City): City {
    const before = this.#rows.get(city.id);
    if (before?.country !== city.country) {
      if (before !== undefined) this.#remove(before);
      this.#add(city);
    }
    this.#rows.set(city.id, city);
    return city;
  }

  #add(city: City): void {
    this.#rows.set(city.id, city);
    this.#idsByCountry.get(city.country)?.push(city.id);
  }

  #remove({ id, country }: City): void {
    this.#rows.delete(id);
    const ids = this.#idsByCountry.get(country) ?? [];
    const last = ids.pop();
    const at = ids.indexOf(id);
    if (last !== undefined && at >= 0) ids[at] = last;
  }
}

function planOf(
  kind: TransactionKind,
  statements: readonly Statement[],
  cities: readonly City[],
): Plan {
  const countries = new Set(cities.map(({ country }) => country));
  const changes = statements.reduce((sum, statement) => sum + statement.changes.length, 0);
  return { kind, statements, changes, countries };
}

function insertOf(city: City): Statement {
  const { id, name, country, admin, kind, population, lat, lon } = city;
  return {
    sql: INSERT_SQL,
    params: [id, name, country, admin, kind, population, lat, lon].map(String),
    changes: [changeOf('insert', city)],
  };
}

function populationOf(city: City): Statement {
  const { id, population } = city;
  const changes = [changeOf('update', city)];
  return { sql: POPULATION_SQL, params: [`${id}`, `${population}`], changes };
}

function deletionOf({ id }: City): Statement {
  const change: OpChange = { table: 'public.city', op: 'delete', key: `${id}`, row: null };
  return { sql: DELETE_SQL, params: [`${id}`], changes: [change] };
}

function changeOf(op: 'insert' | 'update', city: City): OpChange {
  const row = Object.fromEntries(Object.entries(city).map(([name, cell]) => [name, `${cell}`]));
  return { table: 'public.city', op, key: `${city.id}`, row };
}

/** As Postgres prints it in UTC: `2026-11-22 07:50:01.25+00`. */
function timeOf(date: Date): string {
  const [day = '', time = ''] = date.toISOString().slice(0, -1).split('T');
  return `${day} ${time.replace(/\.?0+$/, '')}+00`;
}
