/** A database with two-way tables of every kind, and files that write, as their lines arrive at the server. */
import { randomBytes, randomUUID } from 'node:crypto';
import pg from 'pg';
import { inject } from 'vitest';
import { LSN_ZERO, toLsn } from '../../src/core/lsn.ts';
import type { TableDef, TwowayDef } from '../../src/core/table.ts';
import type { Rejection, Upload } from '../../src/core/upload.ts';
import type { Cell, ValueKind } from '../../src/core/value.ts';
import { insertChange, updateChange } from '../../src/merge/local-change.ts';
import { type RowState, UNKNOWN_ROW } from '../../src/merge/row-state.ts';
import { PgSession } from '../../src/postgres/session.ts';
import { type EnableOptions, enableTwoway } from '../../src/postgres/twoway/enable.ts';
import type { Writer } from '../../src/postgres/upload/plan.ts';
import { type UploadOutcome, Uploads } from '../../src/postgres/upload/uploads.ts';
import { encodeChange, encodeHead, encodeTransaction } from '../../src/protocol/upload.ts';
import { readUpload } from '../../src/protocol/upload-reader.ts';

const SCHEMA = `
  CREATE TABLE note (id text PRIMARY KEY, title text, body text, n int);
  CREATE TABLE place (id text PRIMARY KEY, country text NOT NULL DEFAULT '', name text, size numeric);
  CREATE TABLE team (id text PRIMARY KEY, email text UNIQUE, size int CHECK (size >= 0));
  CREATE TABLE member (id text PRIMARY KEY, team text REFERENCES team ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED);
  CREATE TABLE doc (id text PRIMARY KEY, owner text NOT NULL DEFAULT '', title text);
  ALTER TABLE doc ENABLE ROW LEVEL SECURITY;
  CREATE TABLE thing (a int, b text, amount numeric(10, 2), at timestamptz, raw bytea, ok bool, f float8, big bigint,
    tags text[], code varchar(3), u uuid, PRIMARY KEY (a, b));
`;

/** After enable: the functions that the policies call are there. */
const POLICIES = `
  CREATE POLICY see ON doc FOR SELECT USING (owner = tidelock.auth_userid());
  CREATE POLICY add ON doc FOR INSERT WITH CHECK (owner = tidelock.auth_userid());
  CREATE POLICY change ON doc FOR UPDATE USING (owner = tidelock.auth_userid());
  CREATE POLICY remove ON doc FOR DELETE USING (owner = tidelock.auth_userid());
`;

const RULES: readonly (readonly [string, string, 'selector' | 'policy'])[] = [
  ...['note', 'team', 'member', 'thing'].map((name) => [name, '*', 'selector'] as const),
  ['place', 'country', 'selector'],
  ['doc', "'user:' || owner", 'policy'],
];

const KINDS: Readonly<Record<string, ValueKind>> = {
  ...{ n: 'int', size: 'int', a: 'int', at: 'timestamptz', raw: 'bytes', ok: 'bool' },
  ...{ f: 'float', big: 'bigint' },
};

type TwowayTable = TableDef & { readonly twoway: TwowayDef };

function table(name: string, key: readonly string[], columns: readonly string[]): TwowayTable {
  return {
    name: `public.${name}`,
    columns: [...key, ...columns].map((column) => ({
      ...{ name: column, type: '', kind: KINDS[column] ?? 'text' },
    })),
    key,
    indexes: [],
    selector: { kind: 'everyone' },
    twoway: { versions: '', columns },
  };
}

const THING = ['amount', 'at', 'raw', 'ok', 'f', 'big', 'tags', 'code', 'u'];

export const TABLES = {
  note: table('note', ['id'], ['title', 'body', 'n']),
  place: table('place', ['id'], ['country', 'name', 'size']),
  team: table('team', ['id'], ['email', 'size']),
  member: table('member', ['id'], ['team']),
  doc: table('doc', ['id'], ['owner', 'title']),
  thing: table('thing', ['a', 'b'], THING),
  stamped: table('stamped', ['id'], ['title', 'stamp']),
} as const;

/** One change: the table, the key, and a piece of a state. */
export type Change = readonly [table: keyof typeof TABLES, key: string | readonly Cell[], RowState];

export class UploadWorld {
  readonly sql: pg.Client;
  readonly url: string;
  readonly uploads: Uploads;

  private constructor(sql: pg.Client, url: string) {
    this.sql = sql;
    this.url = url;
    this.uploads = new Uploads(url);
  }

  /** A database of its own; for `beforeAll`. */
  static async open(): Promise<UploadWorld> {
    const name = `u_${randomUUID().replaceAll('-', '').slice(0, 16)}`;
    const admin = new pg.Client(inject('postgresUrl'));
    await admin.connect();
    await admin.query(`CREATE DATABASE ${name}`);
    await admin.end();
    const url = new URL(inject('postgresUrl'));
    url.pathname = `/${name}`;
    const sql = new pg.Client(url.href);
    await sql.connect();
    await sql.query(SCHEMA);
    const world = new UploadWorld(sql, url.href);
    for (const [table, rule, ruleKind] of RULES) await world.mend(table, { rule, ruleKind });
    await sql.query(POLICIES);
    return world;
  }

  /** As a server does when it sees that something about the table changed. */
  async mend(table: string, options: Pick<EnableOptions, 'rule' | 'ruleKind'> = {}): Promise<void> {
    const session = await PgSession.connect({ url: this.url });
    await enableTwoway(session, { table, ...options });
    await session.end();
  }

  async close(): Promise<void> {
    await this.uploads.close();
    await this.sql.end();
  }

  site(user = 'ann', selectors: Writer['selectors'] = new Set(['FR'])): Site {
    return new Site(this, { userid: user, claims: { sub: user }, selectors });
  }

  async rows<R extends object>(query: string, values: readonly unknown[] = []): Promise<R[]> {
    return (await this.sql.query<R & pg.QueryResultRow>(query, [...values])).rows;
  }

  /** What the companion says, or the state that no row there means. */
  async versions(name: string, id: string): Promise<{ cl: number; versions: number[] | null }> {
    const query = `SELECT tidelock_cl::int AS cl, tidelock_versions AS versions FROM tidelock.versions_public_${name} WHERE id = $1`;
    const [row] = await this.rows<{ cl: number; versions: number[] | null }>(query, [id]);
    if (row !== undefined) return row;
    const living = await this.rows(`SELECT FROM ${name} WHERE id = $1`, [id]);
    return { cl: living.length, versions: null };
  }
}

/** A file that writes: its number of the last transaction, and its name. */
export class Site {
  readonly id = randomUUID();
  readonly world: UploadWorld;
  readonly writer: Writer;
  number = 0;
  settled = 0;

  constructor(world: UploadWorld, writer: Writer) {
    this.world = world;
    this.writer = writer;
  }

  /** Each list of changes is one local transaction. */
  upload(...transactions: readonly (readonly Change[])[]): Upload {
    const lines = transactions.flatMap((changes) => {
      this.number += 1;
      return [
        encodeTransaction(this.number, randomBytes(8).toString('hex')),
        ...changes.map(([name, key, change]) =>
          encodeChange(TABLES[name], typeof key === 'string' ? [key] : key, change),
        ),
      ];
    });
    const { id: site, settled } = this;
    const head = { site, timeline: 't', position: toLsn(LSN_ZERO), settled };
    return readUpload([encodeHead(head), ...lines].join('\n'));
  }

  send(...transactions: readonly (readonly Change[])[]): Promise<UploadOutcome> {
    return this.apply(this.upload(...transactions));
  }

  apply(upload: Upload): Promise<UploadOutcome> {
    return this.world.uploads.apply(upload, this.writer);
  }
}

/** `number code`, for comparing. */
export function codes(rejections: readonly Rejection[]): readonly string[] {
  return rejections.map(({ number, code }) => `${number} ${code}`);
}

/** All columns but the key. */
export function values(row: Readonly<Record<string, Cell>>): ReadonlyMap<string, Cell> {
  return new Map(Object.entries(row));
}

export function inserted(row: Readonly<Record<string, Cell>>, state = UNKNOWN_ROW): RowState {
  return insertChange(state, values(row));
}

/** `state` itself where nothing differs. */
export function changed(state: RowState, row: Readonly<Record<string, Cell>>): RowState {
  return updateChange(state, values(row)) ?? state;
}
