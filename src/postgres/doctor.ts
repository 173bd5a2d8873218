/**
 * Looks at a Postgres as `tidelock doctor` does: every finding says what was found, what it means for
 * replication, and the exact statement that mends it.
 */
import { hasCode } from '../core/errors.ts';
import { quoteName, quoteText } from '../core/table.ts';
import { describeTables } from './catalog.ts';
import { hasTriggers } from './ddl.ts';
import { examineActivity, examineSlots } from './doctor-activity.ts';
import { adviseTable } from './doctor-advice.ts';
import { type Finding, fail, ok, warn } from './findings.ts';
import { FIT_SQL, VERSION_MIN } from './fit.ts';
import { quoteTable } from './names.ts';
import type { ReplicaIdentityMode } from './replica-identity.ts';
import { PgSession } from './session.ts';
import type { TableDeclaration, TableDescription } from './table-fitness.ts';

export type ExamineOptions = {
  readonly url: string;
  readonly slot: string;
  readonly publication: string;
  readonly declarations: readonly TableDeclaration[];
  /** As the server is to be started. */
  readonly replicaIdentity: ReplicaIdentityMode;
};

/** Changes nothing. A Postgres that cannot be reached is a finding too. */
export async function examineSource(options: ExamineOptions): Promise<readonly Finding[]> {
  let session: PgSession;
  try {
    // Unpinned, because the server's own value is what is looked at.
    session = await PgSession.connect({ url: options.url, settings: { wal_sender_timeout: null } });
  } catch (error) {
    if (!hasCode(error, 'SOURCE_DOWN')) throw error;
    return [fail('connection', error.message, 'nothing can be replicated', error.hint ?? '')];
  }
  try {
    const settings = [ok('connection', session.where), ...(await examineSettings(session))];
    // A standby does not even answer the questions that follow.
    if (settings.some(({ check, level }) => check === 'role' && level === 'fail')) return settings;
    return [
      ...settings,
      ...(await examineRights(session)),
      ...(await examineSlots(session, options.slot)),
      ...(await examineTables(session, options)),
      ...(await examineActivity(session)),
    ];
  } finally {
    await session.end();
  }
}

const SETTINGS_SQL = `
  SELECT name, setting, unit FROM pg_catalog.pg_settings WHERE name IN ('wal_sender_timeout',
    'max_slot_wal_keep_size', 'synchronous_commit', 'idle_replication_slot_timeout', 'server_encoding')`;

async function examineSettings(session: PgSession): Promise<readonly Finding[]> {
  const fit = await session.queryOne(FIT_SQL);
  const rows = await session.query(SETTINGS_SQL);
  const settings = new Map(rows.map((row) => [row.name ?? '', row.setting ?? '']));
  return [
    Number(fit.version) >= VERSION_MIN
      ? ok('version', `Postgres ${fit.version_text}`)
      : fail(
          'version',
          `Postgres ${fit.version_text}`,
          '14 or newer is needed',
          'upgrade Postgres',
        ),
    fit.is_standby === 't'
      ? fail('role', 'a standby', 'publications cannot be made here', 'use the URL of the primary')
      : ok('role', 'the primary'),
    fit.wal_level === 'logical'
      ? ok('wal_level', 'logical')
      : fail(
          'wal_level',
          fit.wal_level ?? '',
          'Postgres does not log what replication needs',
          "ALTER SYSTEM SET wal_level = 'logical'; -- then restart Postgres",
        ),
    ...optionalSettings(settings),
  ];
}

function optionalSettings(settings: ReadonlyMap<string, string>): readonly Finding[] {
  const idle = settings.get('idle_replication_slot_timeout') ?? '0';
  return [
    settings.get('wal_sender_timeout') === '0'
      ? warn(
          'wal_sender_timeout',
          '0',
          'a hung replication client keeps its slot, and the WAL behind it, for ever (our own connection sets 60s)',
          "ALTER SYSTEM SET wal_sender_timeout = '60s'; SELECT pg_reload_conf();",
        )
      : ok('wal_sender_timeout', `${settings.get('wal_sender_timeout')} ms`),
    settings.get('max_slot_wal_keep_size') === '-1'
      ? warn(
          'max_slot_wal_keep_size',
          'unlimited',
          'while this server is away, Postgres keeps all WAL for its slot until the disk is full',
          "ALTER SYSTEM SET max_slot_wal_keep_size = '20GB'; SELECT pg_reload_conf();",
        )
      : ok('max_slot_wal_keep_size', `${settings.get('max_slot_wal_keep_size')} MB`),
    ...(idle === '0'
      ? []
      : [
          warn(
            'idle_replication_slot_timeout',
            `${idle} s`,
            'a server that is away for longer loses its slot, and every replica copies anew',
            'ALTER SYSTEM SET idle_replication_slot_timeout = 0; SELECT pg_reload_conf();',
          ),
        ]),
    settings.get('synchronous_commit') === 'off'
      ? warn(
          'synchronous_commit',
          'off',
          'only flushed WAL is sent: replicas see such commits up to 0.4 s later',
          "ALTER SYSTEM SET synchronous_commit = 'on'; SELECT pg_reload_conf();",
        )
      : ok('synchronous_commit', settings.get('synchronous_commit') ?? ''),
    settings.get('server_encoding') === 'SQL_ASCII'
      ? warn(
          'server_encoding',
          'SQL_ASCII',
          'texts that are not UTF-8 reach replicas with replacement characters',
          'make a new database with ENCODING UTF8',
        )
      : ok('server_encoding', settings.get('server_encoding') ?? ''),
  ];
}

async function examineRights(session: PgSession): Promise<readonly Finding[]> {
  const fit = await session.queryOne(FIT_SQL);
  const role = quoteName(fit.role ?? '');
  const { may_create: mayCreate } = await session.queryOne(
    `SELECT pg_catalog.has_database_privilege(pg_catalog.current_database(), 'CREATE') AS may_create`,
  );
  const triggers = await hasTriggers(session);
  return [
    fit.may_replicate === 't'
      ? ok('right to replicate', fit.role ?? '')
      : fail(
          'right to replicate',
          `role ${fit.role} has none`,
          'no slot can be made or read',
          `ALTER ROLE ${role} REPLICATION;`,
        ),
    mayCreate === 't'
      ? ok('right to publish', fit.role ?? '')
      : fail(
          'right to publish',
          `role ${fit.role} may not create in this database`,
          'no publication can be made',
          `GRANT CREATE ON DATABASE ${quoteName(fit.database ?? '')} TO ${role};`,
        ),
    triggers
      ? ok('event triggers', 'installed')
      : warn(
          'event triggers',
          'not installed',
          fit.is_superuser === 't'
            ? 'they are installed when the server starts'
            : 'changes of schema are found at the next row instead; new tables only at a restart',
          fit.is_superuser === 't' ? '' : `ALTER ROLE ${role} SUPERUSER;`,
        ),
  ];
}

const TABLE_RIGHTS_SQL = `
  SELECT n.nspname || '.' || c.relname AS name,
    pg_catalog.has_table_privilege(c.oid, 'SELECT') AS may_read,
    pg_catalog.pg_has_role(c.relowner, 'USAGE') AS is_owner
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind IN ('r', 'p')`;

async function examineTables(
  session: PgSession,
  options: ExamineOptions,
): Promise<readonly Finding[]> {
  const described = await describeTables(session, options.declarations);
  const rights = new Map((await session.query(TABLE_RIGHTS_SQL)).map((row) => [row.name, row]));
  const { role } = await session.queryOne('SELECT current_user AS role');
  const [publication] = await session.query(
    `SELECT oid FROM pg_catalog.pg_publication WHERE pubname = ${quoteText(options.publication)}`,
  );
  const findings = described.map((table) => {
    const right = rights.get(table.name);
    if (isGivenIdentity(table, options) && right?.is_owner === 't')
      return givenIdentity(table.name);
    if (table.kind !== 'table' || right === undefined) return ofTable(table);
    const check = `table ${table.name}`;
    const sql = quoteTable(table.name);
    if (right.may_read !== 't') {
      const remedy = `GRANT SELECT ON ${sql} TO ${quoteName(role ?? '')};`;
      return fail(check, 'may not be read', 'no replica can copy it', remedy);
    }
    if (right.is_owner !== 't') {
      const remedy = `ALTER TABLE ${sql} OWNER TO ${quoteName(role ?? '')};`;
      return fail(check, 'belongs to another role', 'it cannot be published', remedy);
    }
    return ofTable(table);
  });
  const advice: Finding[] = [];
  for (const table of described) advice.push(...(await adviseTable(session, table)));
  const none = warn(
    'tables',
    'none',
    'nothing is replicated',
    'ALTER TABLE ... ADD COLUMN _change_selector text; -- or declare tables in the configuration',
  );
  return [
    publication === undefined
      ? warn('publication', `${options.publication} does not exist`, 'it is made at the start', '')
      : ok('publication', options.publication),
    ...(findings.length === 0 ? [none] : findings),
    ...advice,
    ...(await examinePublication(session, options.publication)),
  ];
}

/** It must be altered when a table comes or goes. */
async function examinePublication(
  session: PgSession,
  publication: string,
): Promise<readonly Finding[]> {
  const [row] = await session.query(
    `SELECT pg_catalog.pg_has_role(pubowner, 'USAGE') AS is_owner, current_user AS role
     FROM pg_catalog.pg_publication WHERE pubname = ${quoteText(publication)}`,
  );
  if (row === undefined || row.is_owner === 't') return [];
  const remedy = `ALTER PUBLICATION ${quoteName(publication)} OWNER TO ${quoteName(row.role ?? '')};`;
  return [fail('publication', 'belongs to another role', 'no table can be added to it', remedy)];
}

/** What is unfit about it is what the server mends at its start. */
function isGivenIdentity(table: TableDescription, { replicaIdentity }: ExamineOptions): boolean {
  if (replicaIdentity !== 'full' || table.kind !== 'unfit') return false;
  return /REPLICA IDENTITY (FULL|DEFAULT)$/.test(table.remedy);
}

function givenIdentity(name: string): Finding {
  const meaning =
    'the server sets it to FULL at its start: updates and deletes write the whole old row';
  return warn(`table ${name}`, 'its replica identity is not FULL', meaning, '');
}

function ofTable(table: TableDescription): Finding {
  const check = `table ${table.name}`;
  if (table.kind === 'missing') {
    const remedy = 'create it, or take it out of the configuration';
    return warn(check, 'does not exist', 'it is replicated as soon as it exists', remedy);
  }
  if (table.kind === 'unfit') {
    return fail(check, table.reason, 'it is not replicated; other tables are', table.remedy);
  }
  const { selector } = table.table;
  return ok(check, `selector ${selector.kind === 'everyone' ? '*' : selector.text}`);
}
