/**
 * Every setting of `serve`, once. Keys of the configuration file, names in the environment, flags, defaults
 * and help texts are all derived from this schema (see config-load.ts).
 */
import { z } from 'zod';
import { messageOf } from '../core/errors.ts';
import { parseSelectorRule } from '../core/selector.ts';
import { DEFAULT_POLICY } from '../engine/engine.ts';
import { READER_BYTES_MAX } from '../engine/sql/readers/reader-pool.ts';
import { SITES_PER_USER_MAX } from '../postgres/upload/uploads.ts';
import { TABLE_NAMINGS } from '../protocol/transicator/names.ts';
import { DEFAULT_LIMITS, NO_TOKENS } from '../server/config.ts';
import { parseTableName, splitDeclaration } from './table-name.ts';

/** What a setting tells about itself besides its type. */
export type SettingNotes = {
  readonly help: string;
  /** What stands behind the flag: `<port>`. Without it there is no flag (secrets, fine tuning). */
  readonly metavar?: string;
  /** Another name of the flag than the key. */
  readonly flag?: string;
  /** A flag without a value, which means yes. */
  readonly isSwitch?: boolean;
  /** Never printed. */
  readonly isSecret?: boolean;
  /** How a list is split when it comes from one environment variable. */
  readonly separator?: RegExp;
};

const LIST = /\s*[,\n]\s*/;
const DECLARATIONS = /\s*;\s*/;
const SIZE_UNITS: Readonly<Record<string, number>> = { k: 1024, m: 1024 ** 2, g: 1024 ** 3 };
const TIME_UNITS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 };
const PORT_MAX = 65_535;
const YEAR_S = 366 * 86_400;

function note<T extends z.ZodType>(schema: T, notes: SettingNotes): T {
  return schema.meta({ ...notes });
}

/** A whole number; texts are read when `unit` understands them. */
function number(min: number, max: number, units: Readonly<Record<string, number>> = {}) {
  const read = (value: unknown): unknown => {
    if (typeof value !== 'string') return value;
    const match = /^(\d+(?:\.\d+)?)\s*([a-z]?)(?:i?b)?$/i.exec(value.trim());
    const factor = match?.[2] === '' ? 1 : units[match?.[2]?.toLowerCase() ?? ''];
    return match === null || factor === undefined ? value : Number(match[1]) * factor;
  };
  const letters = Object.keys(units);
  const unit = letters.length === 0 ? '' : `, with ${letters.join(', ')} as unit if you like`;
  const error = `must be a whole number from ${min} to ${max}${unit}`;
  return z.preprocess(
    read,
    z.number({ error }).int({ error }).min(min, { error }).max(max, { error }),
  );
}

/** Yes or no; texts come from the environment. */
const yesOrNo = z.preprocess(
  (value) => {
    if (typeof value !== 'string') return value;
    if (/^(?:1|true|yes|on)$/i.test(value.trim())) return true;
    return /^(?:0|false|no|off)$/i.test(value.trim()) ? false : value;
  },
  z.boolean({ error: 'must be true or false' }),
);

const bytes = (min: number) => number(min, 2 ** 50, SIZE_UNITS);
const seconds = (min: number, max: number) => number(min, max, TIME_UNITS);
const text = z.string().trim().min(1);

/** `public.cities=country`, or an object with the same two parts. */
const table = z.preprocess(
  (value) => (typeof value === 'string' ? splitDeclaration(value) : value),
  z
    .strictObject({
      name: z
        .string()
        .refine(
          (name) => parseTableName(name) !== null,
          'must be schema.table, for example public.cities',
        )
        .transform((name) => parseTableName(name) ?? name)
        .describe('schema.table'),
      selector: z.string().min(1, 'must be an expression over the row, or * for everyone'),
    })
    .superRefine((declared, context) => {
      if (declared.selector === '') return;
      try {
        parseSelectorRule(declared.selector);
      } catch (error) {
        context.addIssue({ code: 'custom', path: ['selector'], message: messageOf(error) });
      }
    }),
);

const postgresUrl = text.regex(/^postgres(ql)?:\/\//, 'must start with postgres://');
const L = DEFAULT_LIMITS;
const P = DEFAULT_POLICY;

export const SETTINGS = z.strictObject({
  postgres: note(postgresUrl.optional(), {
    help: 'URL of the source: postgres://user:password@host:5432/database',
    metavar: '<url>',
    isSecret: true,
  }),
  embedded: note(text.optional(), {
    help: 'folder of an embedded Postgres, made on first use, instead of a URL',
    metavar: '<dir>',
  }),
  data: note(text.optional(), {
    help: 'folder of the change log (default: ./tidelock-data, or inside the embedded folder)',
    metavar: '<dir>',
  }),
  host: note(text.default('127.0.0.1'), {
    help: 'name or address to bind; anything but loopback needs token keys',
    metavar: '<host>',
  }),
  port: note(number(0, PORT_MAX).default(7700), {
    help: 'port of the HTTP server; 0 takes a free one',
    metavar: '<port>',
  }),
  slot: note(text.regex(/^[a-z0-9_]{1,63}$/, 'may have a-z, 0-9 and _').default('tidelock'), {
    help: 'name of the replication slot',
    metavar: '<name>',
  }),
  publication: note(text.max(63).default('tidelock'), {
    help: 'name of the publication',
    metavar: '<name>',
  }),
  tables: note(z.array(table).default([]), {
    help: 'a table and its selector rule, besides tables with a column _change_selector; repeatable',
    metavar: '<table=selector>',
    flag: 'table',
    separator: DECLARATIONS,
  }),
  replicaIdentity: note(z.enum(['full', 'leave']).optional(), {
    help: 'full: set REPLICA IDENTITY FULL on tables that lack it; leave: refuse tables that need it (default: leave, with transicator full)',
    metavar: '<full|leave>',
  }),
  logLevel: note(z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'silent']).default('info'), {
    help: 'how much is logged to stderr',
    metavar: '<level>',
  }),

  keepS: note(seconds(0, YEAR_S).default(P.keepS), {
    help: 'how long transactions stay in the log even when nobody needs them (60, 10m, 2h, 7d)',
    metavar: '<time>',
    flag: 'keep',
  }),
  logBytesMax: note(bytes(1024 ** 2).default(P.logBytesMax), {
    help: 'size above which the oldest transactions go, whoever needs them (500m, 4g)',
    metavar: '<size>',
    flag: 'log-max',
  }),
  leaseS: note(seconds(1, YEAR_S).default(P.leaseS), {
    help: 'how long the log is kept for a replica that is away',
    metavar: '<time>',
    flag: 'lease',
  }),
  tailBytesMax: note(bytes(1024 ** 2).default(16 * 1024 ** 2), {
    help: 'memory for lately written or read parts of the log',
  }),
  snapshotWaitS: note(seconds(1, 3600).default(60), {
    help: 'how long a snapshot waits for the log to catch up',
  }),

  lockstepRelations: note(z.array(text).default([]), {
    help: 'a table or view that /lockstep may stream; repeatable (default: all that carry a txid)',
    metavar: '<relation>',
    flag: 'lockstep',
    separator: LIST,
  }),
  lockstepPollMs: note(number(10, 3_600_000).default(1000), {
    help: 'milliseconds between two looks at a relation that is followed',
  }),
  lockstepWakeMs: note(number(1, 60_000).default(20), {
    help: 'the least of them when the change log says that something was written',
  }),
  lockstepCopiesMax: note(number(1, 1000).default(8), {
    help: 'relations copied at the same time, each over a connection of its own',
  }),

  heartbeatS: note(number(1, 60).default(5), { help: 'idle seconds until a heartbeat' }),
  selectorsMax: note(number(1, 10_000).default(L.selectorsMax), {
    help: 'selectors in one request',
  }),
  urlBytesMax: note(bytes(1024).default(L.urlBytesMax), { help: 'length of a request address' }),
  bodyBytesMax: note(bytes(1024).default(L.bodyBytesMax), { help: 'size of a request body' }),
  digestBodyBytesMax: note(bytes(1024).default(L.digestBodyBytesMax), {
    help: 'size of the body of a difference snapshot',
  }),
  uploadBodyBytesMax: note(bytes(1024).default(L.uploadBodyBytesMax), {
    help: 'size of the body of an upload, as it is sent: a local transaction cannot be larger',
  }),
  uploadBytesMax: note(bytes(1024).default(L.uploadBytesMax), {
    help: 'size of an upload, unpacked: a local transaction cannot be larger (about a million small rows)',
  }),
  uploadsMax: note(number(1, 1000).default(L.uploadsMax), {
    help: 'uploads merged at the same time, each over a connection to Postgres',
  }),
  uploadsPerUserMax: note(number(1, 1000).default(L.uploadsPerUserMax), {
    help: 'uploads of one user that arrive, wait or are merged',
  }),
  uploadBufferBytesMax: note(bytes(1024).default(L.uploadBufferBytesMax), {
    help: 'bytes of uploads, as they are sent, that arrive or wait, all together',
  }),
  sitesPerUserMax: note(number(1, 1_000_000).default(SITES_PER_USER_MAX), {
    help: 'files from which one user may write',
  }),
  requestS: note(seconds(1, 3600).default(L.requestS), {
    help: 'time in which a request must have arrived, with its body',
  }),
  connectionsMax: note(number(1, 1_000_000).default(L.connectionsMax), { help: 'connections' }),
  streamsMax: note(number(1, 1_000_000).default(L.streamsMax), { help: 'open feeds' }),
  stallS: note(seconds(1, 3600).default(L.stallS), {
    help: 'time after which a reader that takes nothing is dropped',
  }),
  stalledBytesMax: note(bytes(1024).default(L.stalledBytesMax), {
    help: 'unsent bytes that all stalled readers together may hold',
  }),
  snapshotsMax: note(number(1, 1000).default(L.snapshotsMax), {
    help: 'snapshots made and sent at the same time',
  }),
  digestsMax: note(number(1, 1000).default(L.digestsMax), {
    help: 'digests computed at the same time',
  }),
  queueMax: note(number(0, 100_000).default(L.queueMax), {
    help: 'snapshots, digests and uploads, of each, that may wait for their turn',
  }),
  queueS: note(seconds(0, 3600).default(L.queueS), { help: 'how long they may wait' }),
  waitsMax: note(number(1, 1_000_000).default(L.waitsMax), { help: 'requests in /v1/wait' }),
  drainS: note(seconds(0, 3600).default(L.drainS), {
    help: 'how long a shutdown waits for transactions and snapshots under way',
  }),

  transicator: note(yesOrNo.default(false), {
    help: 'serve clients of Transicator too: /snapshots, /data, /changes',
    isSwitch: true,
  }),
  transicatorNaming: note(z.enum(TABLE_NAMINGS).default('schema_table'), {
    help: 'names of tables in SQLite snapshots for them: schema_table, table (as before April 2017), both',
    metavar: '<naming>',
  }),
  transicatorPrefix: note(
    z
      .string()
      .regex(/^(?:\/[A-Za-z0-9._-]+)*$/, 'must be empty, or start with / and not end with it')
      .default(''),
    { help: 'what stands before their paths: /transicator', metavar: '<path>' },
  ),

  sqlPort: note(number(0, PORT_MAX).optional(), {
    help: "port of SQL over PostgreSQL's wire protocol; 0 takes a free one (default: none)",
    metavar: '<port>',
  }),
  sqlTlsCert: note(text.optional(), {
    help: 'certificate of the SQL port, with its chain (PEM); without it the port speaks no TLS',
    metavar: '<file>',
  }),
  sqlTlsKey: note(text.optional(), {
    help: 'private key of that certificate (PEM)',
    metavar: '<file>',
  }),
  sqlFiles: note(text.optional(), {
    help: 'folder whose files SQL sources may read and sinks may write (default: none)',
    metavar: '<dir>',
  }),
  sqlStatementTimeoutS: note(seconds(0, 86_400).default(60), {
    help: 'how long one SQL statement may take unless it says SET statement_timeout; 0: no limit',
  }),
  sqlReadBytesMax: note(bytes(64 * 2 ** 20).default(READER_BYTES_MAX), {
    help: 'memory that the computation of one SQL read may take, in a process of its own',
  }),

  tokenSecrets: note(z.array(text).default([]), {
    help: 'shared secrets of tokens (HS256), newest first, comma between; 32 bytes or more each',
    isSecret: true,
    separator: LIST,
  }),
  tokenJwksFile: note(text.optional(), {
    help: 'file with the public keys of the token issuer (JSON Web Key Set)',
    metavar: '<file>',
  }),
  tokenJwksUrl: note(z.url({ protocol: /^https?$/ }).optional(), {
    help: 'address of the public keys of the token issuer',
    metavar: '<url>',
  }),
  tokenIssuer: note(text.optional(), { help: 'the claim iss that tokens must have' }),
  tokenAudience: note(text.optional(), { help: 'the claim aud that tokens must have' }),
  tokenClockToleranceS: note(seconds(0, 300).default(NO_TOKENS.clockToleranceS), {
    help: 'how far the clock of the token issuer may be off',
  }),
});

export type Settings = z.output<typeof SETTINGS>;
export type SettingName = keyof Settings;

/** One setting, with all its names. */
export type Setting = SettingNotes & {
  readonly name: SettingName;
  /** `TIDELOCK_LOG_LEVEL` */
  readonly env: string;
  /** `log-level`; undefined when it has no flag. */
  readonly flagName: string | undefined;
  readonly isList: boolean;
  /** Undefined when it has none. */
  readonly byDefault: unknown;
};

export const SETTING_LIST: readonly Setting[] = Object.entries(SETTINGS.shape).map(
  ([key, schema]) => {
    const notes = schema.meta() as unknown as SettingNotes;
    const byDefault: unknown = schema.safeParse(undefined).data;
    return {
      ...notes,
      name: key as SettingName,
      env: `TIDELOCK_${words(key).join('_').toUpperCase()}`,
      flagName: hasFlag(notes) ? (notes.flag ?? words(key).join('-')) : undefined,
      isList: Array.isArray(byDefault),
      byDefault,
    };
  },
);

function hasFlag({ metavar, isSwitch }: SettingNotes): boolean {
  return metavar !== undefined || isSwitch === true;
}

function words(key: string): readonly string[] {
  return key.split(/(?=[A-Z])/).map((word) => word.toLowerCase());
}
