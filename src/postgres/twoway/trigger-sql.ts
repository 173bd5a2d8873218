/**
 * The generator of a two-way table's triggers. They are set-based (statement-level, over transition tables), run as
 * their owner whoever writes, and count what happened to each key without reading the table.
 *
 * - No row in the companion means: causal length 1 and all versions 1, so plain inserts leave no trace.
 * - The columns of the key and of the audience are checked by name and type first: after an ALTER TABLE that nobody
 *   told us of, the trigger warns and does nothing, and the application's write succeeds. Other columns may come and
 *   go: \`d\` gives a missing one the value NULL in both rows, so it never differs.
 * - Rows are compared by their bytes (record_image_ne): every type has them, with or without an equality.
 * - Plans are kept for a session, and one for a hundred thousand rows must not serve for one: the settings leave only
 *   hash joins between the two transition tables, and only index look-ups in the companion.
 * - Foreign keys may write a row twice in one statement, and nested triggers may delete and insert it: then versions
 *   are summed up by key, an update never revives a dead row, and life and death are taken from the table.
 */
import { quoteText } from '../../core/table.ts';
import { OWN_SCHEMA } from '../names.ts';

/** \`@name@\` stands for a piece of the table; filled in one pass, so no column's name is ever taken for a piece. */
const FILL = `
CREATE OR REPLACE FUNCTION ${OWN_SCHEMA}.twoway_fill(template text, pieces jsonb) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $fill$
  SELECT string_agg(CASE WHEN place % 2 = 0 THEN pieces ->> part ELSE part END, '' ORDER BY place)
  FROM unnest(string_to_array(template, '@')) WITH ORDINALITY u(part, place)
$fill$`;

/** Names in lists (\`keys:o\` is \`o.id, o.part\`), conditions (\`match:v:n\`), and what is compared and raised by place. */
const PIECES = `
CREATE OR REPLACE FUNCTION ${OWN_SCHEMA}.twoway_pieces(entry ${OWN_SCHEMA}.twoway_tables) RETURNS jsonb
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $pieces$
  WITH key AS (SELECT c.name AS plain, quote_ident(c.name) AS name, c.type_oid, c.plain_type, (
      SELECT format('OPERATOR(%I.%s)', n.nspname, o.oprname) FROM pg_index i
      JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attname = c.name
      JOIN unnest(i.indkey::int2[]) WITH ORDINALITY k(number, place) ON k.number = a.attnum
      JOIN unnest(i.indclass::oid[]) WITH ORDINALITY p(class, place) ON p.place = k.place
      JOIN pg_opclass pc ON pc.oid = p.class JOIN pg_amop ao ON ao.amopfamily = pc.opcfamily
        AND ao.amoplefttype = pc.opcintype AND ao.amoprighttype = pc.opcintype AND ao.amopstrategy = 3
      JOIN pg_operator o ON o.oid = ao.amopopr JOIN pg_namespace n ON n.oid = o.oprnamespace
      WHERE i.indrelid = entry.relation AND i.indisprimary) AS equals
    FROM ${OWN_SCHEMA}.twoway_columns(entry.relation, entry.key_numbers) c),
  one AS (SELECT name FROM key LIMIT 1),
  audience AS (SELECT c.name AS plain, quote_ident(c.name) AS name, c.type_oid, c.plain_type
    FROM ${OWN_SCHEMA}.twoway_columns(entry.relation, entry.audience_numbers) c),
  guarded AS (SELECT plain, type_oid, plain_type FROM key UNION ALL SELECT plain, type_oid, plain_type FROM audience),
  cell AS (SELECT quote_ident(name) AS name, name = '' AS is_gone, place FROM unnest(entry.columns) WITH ORDINALITY u(name, place)),
  alias AS (SELECT unnest('{o,n,p,excluded}'::text[]) AS a),
  pair AS (SELECT * FROM (VALUES ('v', 'n'), ('o', 'n'), ('v', 't'), ('b', 't')) p(l, r))
  SELECT jsonb_build_object(
    'companion', entry.versions_table,
    'keys', (SELECT string_agg(name, ', ') FROM key),
    'key', (SELECT name FROM one),
    'audience', (SELECT coalesce(string_agg(', ' || name, ''), '') FROM audience),
    'audience:on', (SELECT coalesce(string_agg(format(', CASE WHEN n.%s IS NULL THEN o.%s ELSE n.%2$s END AS %2$s', (SELECT name FROM one), name), ''), '') FROM audience),
    'audience:last', (SELECT coalesce(string_agg(format(', (array_agg(CASE WHEN n.%s IS NULL THEN o.%s ELSE n.%2$s END ORDER BY n.tidelock_place DESC NULLS LAST))[1] AS %2$s', (SELECT name FROM one), name), ''), '') FROM audience),
    'audience:any', (SELECT coalesce(string_agg(format(', (array_agg(o.%s))[1]', name), ''), '') FROM audience),
    'audience:live', (SELECT coalesce(string_agg(format(', %s = CASE WHEN b.%s IS NULL THEN v.%1$s ELSE b.%1$s END', name, (SELECT name FROM one)), ''), '') FROM audience),
    'dummy', (SELECT coalesce(string_agg('NULL::text AS ' || name, ', '), '') FROM cell WHERE NOT is_gone),
    'columns', (SELECT string_agg(name, ', ') FROM (SELECT name FROM key UNION SELECT name FROM cell WHERE NOT is_gone UNION SELECT name FROM audience) u),
    'differs', (SELECT coalesce(format('record_image_ne(ROW(%s), ROW(%s))', string_agg('o.' || name, ', '), string_agg('n.' || name, ', ')), 'false') FROM cell WHERE NOT is_gone),
    'changed', (SELECT coalesce(string_agg(CASE WHEN is_gone THEN '1' ELSE format('1 + record_image_ne(ROW(o.%s), ROW(n.%1$s))::int', name) END, ', ' ORDER BY place), '') FROM cell),
    'changed:any', (SELECT coalesce(string_agg(CASE WHEN is_gone THEN '1' ELSE format('1 + bool_or(record_image_ne(ROW(o.%s), ROW(n.%1$s)))::int', name) END, ', ' ORDER BY place), '') FROM cell),
    'raised', (SELECT coalesce(string_agg(format('coalesce(v.tidelock_versions[%s], 1) + least(excluded.tidelock_versions[%1$s] - 1, 2147483647 - coalesce(v.tidelock_versions[%1$s], 1))', place), ', ' ORDER BY place), '') FROM cell),
    'guard', (SELECT format('(SELECT count(*) FROM pg_attribute WHERE attrelid = TG_RELID AND (attname, atttypid) IN (%s)) <> %s',
      string_agg(format('(%L, %s)', plain, CASE WHEN type_oid < 16384 THEN type_oid::text ELSE format('to_regtype(%L)::oid', plain_type) END), ', '), count(*)) FROM guarded))
  || (SELECT jsonb_object_agg('keys:' || a, (SELECT string_agg(a || '.' || name, ', ') FROM key)) FROM alias)
  || (SELECT jsonb_object_agg('audience:' || a, (SELECT coalesce(string_agg(', ' || a || '.' || name, ''), '') FROM audience)) FROM alias)
  || (SELECT jsonb_object_agg('set:' || a, (SELECT coalesce(string_agg(format(', %s = %s.%1$s', name, a), ''), '') FROM audience)) FROM alias)
  || (SELECT jsonb_object_agg('match:' || l || ':' || r, (SELECT CASE WHEN bool_and(equals IS NOT NULL) THEN string_agg(format('%s.%s %s %s.%2$s', l, name, equals, r), ' AND ') END FROM key)) FROM pair)
$pieces$`;

const GUARD = `IF @guard@ THEN
    RAISE WARNING 'tidelock: writes to % are not versioned: its key or audience columns have changed', TG_RELID::regclass
      USING HINT = 'run tidelock twoway enable again';
    RETURN NULL;
  END IF;`;

/** Behind nested writes of the same table; \`@live:rows@\` are the two halves of LIVE around the table's present name. */
const nestedSql = (rows: string): string => `
  IF current_setting('tidelock.nested_' || TG_RELID, true) = 'on' THEN
    BEGIN
      EXECUTE @live:${rows}:head@ || TG_RELID::regclass || @live:${rows}:tail@;
    EXCEPTION WHEN OTHERS THEN
      RAISE WARNING 'tidelock: nested writes to % may be versioned wrongly: %', TG_RELID::regclass, SQLERRM;
    END;
  END IF;
  IF pg_trigger_depth() > 1 THEN PERFORM set_config('tidelock.nested_' || TG_RELID, 'on', true); END IF;`;

const liveSql = (rows: string): readonly [string, string] => [
  `UPDATE @companion@ v SET tidelock_cl = v.tidelock_cl + 1, tidelock_versions = NULL@audience:live@
  FROM (SELECT DISTINCT @keys@ FROM ${rows}) t LEFT JOIN ONLY `,
  ` b ON @match:b:t@ WHERE @match:v:t@ AND (v.tidelock_cl & 1 = 1) <> (b.@key@ IS NOT NULL)`,
];

const BORN_SET = 'tidelock_cl = v.tidelock_cl + 1 + (v.tidelock_cl & 1), tidelock_versions = NULL';

/** A snapshot that does not show a tombstone cannot pass it over: the unique index finds it, and Postgres says 40001. */
const bornSql = (
  rows: string,
): string => `INSERT INTO @companion@ AS v (@keys@, tidelock_cl@audience@)
    SELECT DISTINCT ON (@keys:n@) @keys:n@, 1@audience:n@ FROM ${rows}
    ON CONFLICT (@keys@) DO UPDATE SET ${BORN_SET}@set:excluded@`;

const unneededSql = (rows: string): string =>
  `DELETE FROM @companion@ v USING ${rows} AND @match:v:n@ AND v.tidelock_cl = 1 AND v.tidelock_versions IS NULL`;

const ON_INSERT = `#variable_conflict use_column
BEGIN
  ${GUARD}
  IF current_setting('transaction_isolation') = 'read committed' THEN
    UPDATE @companion@ v SET ${BORN_SET}@set:n@ FROM new_rows n WHERE @match:v:n@;
  ELSE
    ${bornSql('new_rows n')};
    ${unneededSql('new_rows n WHERE true')};
  END IF;${nestedSql('new_rows')}
  RETURN NULL;
END`;

/** Where a column is gone, its name finds the NULL of `d` instead. */
const rowsSql = (rows: string, more = ''): string =>
  `(SELECT x.* FROM (SELECT @dummy@) d CROSS JOIN LATERAL (SELECT ${more}@columns@ FROM ${rows}) x)`;

const ON_BOTH = `ON @match:o:n@ WHERE n.@key@ IS NULL OR @differs@`;

const FAST_PAIRS = `SELECT @keys:o@, n.@key@ IS NULL AS tidelock_gone, ARRAY[@changed@]::int[] AS tidelock_versions@audience:on@
    FROM ${rowsSql('old_rows')} o LEFT JOIN ${rowsSql('new_rows')} n ${ON_BOTH}`;

const CAREFUL_PAIRS = `SELECT @keys:o@, bool_and(n.@key@ IS NULL) AS tidelock_gone, ARRAY[@changed:any@]::int[] AS tidelock_versions@audience:last@
    FROM ${rowsSql('old_rows')} o LEFT JOIN ${rowsSql('new_rows', 'row_number() OVER () AS tidelock_place, ')} n ${ON_BOTH} GROUP BY @keys:o@`;

const raiseSql = (pairs: string): string => `WITH written AS (
    INSERT INTO @companion@ AS v (@keys@, tidelock_cl, tidelock_versions@audience@)
    SELECT @keys:p@, CASE WHEN p.tidelock_gone THEN 2 ELSE 1 END, CASE WHEN NOT p.tidelock_gone THEN p.tidelock_versions END@audience:p@
    FROM (${pairs}) p
    ON CONFLICT (@keys@) DO UPDATE SET
      tidelock_cl = CASE WHEN excluded.tidelock_cl = 2 THEN (v.tidelock_cl | 1) + 1 ELSE v.tidelock_cl END,
      tidelock_versions = CASE WHEN excluded.tidelock_versions IS NULL OR v.tidelock_versions IS NULL THEN excluded.tidelock_versions
        ELSE ARRAY[@raised@]::int[] END@set:excluded@
    WHERE v.tidelock_cl & 1 = 1 OR excluded.tidelock_cl = 2
    RETURNING tidelock_cl)
  SELECT bool_or(tidelock_cl & 1 = 0)`;

const MOVED = `new_rows n WHERE NOT EXISTS (SELECT FROM old_rows o WHERE @match:o:n@)`;

const ON_UPDATE = `#variable_conflict use_column
DECLARE
  is_moved bool;
BEGIN
  ${GUARD}
  IF EXISTS (SELECT FROM new_rows n GROUP BY @keys:n@ HAVING count(*) > 1) THEN
    EXECUTE @careful@ INTO is_moved;
  ELSE
    ${raiseSql(FAST_PAIRS)} INTO is_moved FROM written;
  END IF;
  IF is_moved THEN
    PERFORM set_config('enable_nestloop', 'on', true);
    EXECUTE @moved@;
    EXECUTE @moved:unneeded@;
  END IF;${nestedSql('new_rows')}
  RETURN NULL;
END`;

const DIE_ON_CONFLICT = `ON CONFLICT (@keys@) DO UPDATE SET tidelock_cl = (v.tidelock_cl | 1) + 1, tidelock_versions = NULL@set:excluded@`;

/**
 * Grouped, because a key that was deleted, inserted and deleted within one statement is there twice; by sorting,
 * because in order keys enter the companion's index twice as fast.
 */
const ON_DELETE = `#variable_conflict use_column
BEGIN
  ${GUARD}
  INSERT INTO @companion@ AS v (@keys@, tidelock_cl@audience@)
  SELECT @keys:o@, 2@audience:any@ FROM old_rows o GROUP BY @keys:o@
  ${DIE_ON_CONFLICT};${nestedSql('old_rows')}
  RETURN NULL;
END`;

const TRUNCATE_HEAD = `INSERT INTO @companion@ AS v (@keys@, tidelock_cl@audience@) SELECT @keys:o@, 2@audience:o@ FROM ONLY `;
const TRUNCATE_TAIL = ` o ${DIE_ON_CONFLICT}`;

/** Before it: afterwards nobody knows the keys. */
const ON_TRUNCATE = `BEGIN
  ${GUARD}
  EXECUTE @truncate:head@ || TG_RELID::regclass || @truncate:tail@;
  RETURN NULL;
EXCEPTION WHEN OTHERS THEN
  RAISE WARNING 'tidelock: the rows that TRUNCATE removes from % leave no tombstones: %', TG_RELID::regclass, SQLERRM;
  RETURN NULL;
END`;

const [OLD_HEAD, OLD_TAIL] = liveSql('old_rows');
const [NEW_HEAD, NEW_TAIL] = liveSql('new_rows');

/** Statements that the functions run by EXECUTE, as literals. */
const DYNAMIC: Readonly<Record<string, string>> = {
  'live:old_rows:head': OLD_HEAD,
  'live:old_rows:tail': OLD_TAIL,
  'live:new_rows:head': NEW_HEAD,
  'live:new_rows:tail': NEW_TAIL,
  careful: `${raiseSql(CAREFUL_PAIRS)} FROM written`,
  moved: bornSql(MOVED),
  'moved:unneeded': unneededSql(MOVED),
  'truncate:head': TRUNCATE_HEAD,
  'truncate:tail': TRUNCATE_TAIL,
};

/** `row_security`: a policy's functions must not run as the owner of the triggers; Postgres refuses instead. */
type Kind = {
  readonly kind: string;
  readonly when: string;
  readonly body: string;
  readonly off: readonly string[];
};

const KINDS: readonly Kind[] = [
  {
    ...{ kind: 'insert', when: 'AFTER INSERT', body: ON_INSERT },
    off: ['enable_hashjoin', 'enable_mergejoin', 'enable_seqscan', 'row_security'],
  },
  {
    kind: 'update',
    when: 'AFTER UPDATE',
    body: ON_UPDATE,
    off: ['enable_nestloop', 'row_security'],
  },
  {
    kind: 'delete',
    when: 'AFTER DELETE',
    body: ON_DELETE,
    off: ['enable_hashagg', 'row_security'],
  },
  { kind: 'truncate', when: 'BEFORE TRUNCATE', body: ON_TRUNCATE, off: ['row_security'] },
];

const REFERENCING: Readonly<Record<string, string>> = {
  insert: ' REFERENCING NEW TABLE AS new_rows',
  update: ' REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows',
  delete: ' REFERENCING OLD TABLE AS old_rows',
  truncate: '',
};

/** The names of our triggers on a two-way table. */
export const TWOWAY_TRIGGERS: readonly string[] = KINDS.map(
  ({ kind }) => `tidelock_twoway_${kind}`,
);

const kindRow = ({ kind, when, body, off }: Kind): string =>
  `(${[kind, `${when} ON %s${REFERENCING[kind]}`, body].map(quoteText).join(', ')}, ARRAY[${[
    'search_path=pg_catalog, pg_temp',
    ...off.map((name) => `${name}=off`),
  ]
    .map(quoteText)
    .join(', ')}])`;

/** What is missing or differs, of functions and triggers. */
const TRIGGERS = `
CREATE OR REPLACE FUNCTION ${OWN_SCHEMA}.twoway_triggers(entry ${OWN_SCHEMA}.twoway_tables) RETURNS text[]
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $triggers$
DECLARE
  statements text[] := '{}'; pieces jsonb := ${OWN_SCHEMA}.twoway_pieces(entry); dynamic jsonb := '{}';
  one record; body text; fn text; known oid; trigger_name text;
BEGIN
  IF pieces ->> 'match:v:n' IS NULL THEN RETURN statements; END IF; -- without its key nothing can be made
  FOR one IN SELECT * FROM (VALUES ${Object.entries(DYNAMIC)
    .map(([name, text]) => `(${quoteText(name)}, ${quoteText(text)})`)
    .join(',\n    ')}) t(name, template)
  LOOP
    dynamic := dynamic || jsonb_build_object(one.name, quote_literal(${OWN_SCHEMA}.twoway_fill(one.template, pieces)));
  END LOOP;
  FOR one IN SELECT * FROM (VALUES ${KINDS.map(kindRow).join(',\n    ')}) t(kind, head, template, settings)
  LOOP
    fn := entry.versions_table || '_' || one.kind;
    body := ${OWN_SCHEMA}.twoway_fill(one.template, pieces || dynamic);
    known := to_regprocedure(fn || '()');
    IF known IS NULL OR (SELECT p.prosrc <> body OR p.proconfig IS DISTINCT FROM one.settings FROM pg_proc p WHERE p.oid = known) THEN
      statements := statements || format('CREATE OR REPLACE FUNCTION %s() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER %s AS %L', fn,
        (SELECT string_agg(format('SET %s = %s', split_part(s, '=', 1), split_part(s, '=', 2)), ' ') FROM unnest(one.settings) s), body)
        || format('REVOKE ALL ON FUNCTION %s() FROM PUBLIC', fn);
    END IF;
    trigger_name := 'tidelock_twoway_' || one.kind;
    IF known IS NULL OR NOT EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = entry.relation AND t.tgname = trigger_name
      AND t.tgfoid = known AND t.tgenabled = 'A') THEN
      statements := statements || format('DROP TRIGGER IF EXISTS %I ON %s', trigger_name, entry.relation)
        || format('CREATE TRIGGER %I ' || one.head || ' FOR EACH STATEMENT EXECUTE FUNCTION %s()', trigger_name, entry.relation, fn)
        || format('ALTER TABLE %s ENABLE ALWAYS TRIGGER %I', entry.relation, trigger_name);
    END IF;
  END LOOP;
  RETURN statements;
END $triggers$`;

export const TRIGGER_SQL: readonly string[] = [FILL, PIECES, TRIGGERS];
