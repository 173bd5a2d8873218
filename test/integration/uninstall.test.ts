/** `tidelock uninstall`: what the server has made goes, what is the application's stays. */
import { expect, test } from 'vitest';
import { PgSession } from '../../src/postgres/session.ts';
import { enableTwoway } from '../../src/postgres/twoway/enable.ts';
import { cities } from '../support/cities.ts';
import { Command } from '../support/command.ts';
import { type Stack, until } from '../support/stack.ts';

async function uninstall(stack: Stack, ...more: string[]): Promise<Command & { code: unknown }> {
  const names = ['--slot', stack.name, '--publication', stack.name];
  const command = new Command(['uninstall', '--postgres', stack.url, ...names, ...more]);
  return Object.assign(command, { code: await command.exit() });
}

/** Names of what is ours in the stack's database. */
async function ours(stack: Stack): Promise<readonly string[]> {
  const { rows } = await stack.sql.query<{ name: string }>(
    `SELECT 'slot' AS name FROM pg_replication_slots WHERE slot_name = $1
     UNION ALL SELECT 'publication' FROM pg_publication WHERE pubname = $1
     UNION ALL SELECT 'schema' FROM pg_namespace WHERE nspname = 'tidelock'
     UNION ALL SELECT evtname FROM pg_event_trigger
     UNION ALL SELECT tgname FROM pg_trigger WHERE NOT tgisinternal`,
    [stack.name],
  );
  return rows.map(({ name }) => name).sort();
}

test('it refuses while the server runs, says what would go, removes it all, and finds nothing then', async () => {
  const stack = await cities();
  await stack.sql.query(`
    CREATE TABLE part (id int, _change_selector text, PRIMARY KEY (id)) PARTITION BY RANGE (id);
    CREATE TABLE part_1 PARTITION OF part FOR VALUES FROM (0) TO (100)`);
  const before = await ours(stack);
  expect(before).toContain('tidelock_truncate');
  const busy = await uninstall(stack, '--yes');
  expect(busy.code).toBe(1);
  expect(busy.stderr).toContain('SLOT_BUSY');
  expect(await ours(stack)).toEqual(before);
  await stack.stop();
  await until('the slot is free', async () => {
    const { rows } = await stack.sql.query(
      'SELECT 1 FROM pg_replication_slots WHERE slot_name = $1 AND active',
      [stack.name],
    );
    return rows.length === 0;
  });
  const asked = await uninstall(stack);
  expect([asked.code, asked.stderr]).toEqual([2, expect.stringContaining('--yes')]);
  const dry = await uninstall(stack, '--dry-run');
  expect(dry.code).toBe(0);
  expect(dry.stdout).toContain(`replication slot ${stack.name}`);
  expect(await ours(stack)).toEqual(before);
  const done = await uninstall(stack, '--yes', '--json');
  expect(done.code).toBe(0);
  expect(JSON.parse(done.stdout)).toMatchObject({
    removed: true,
    belongings: [{ kind: 'slot' }, { kind: 'publication' }, { kind: 'triggers' }],
  });
  expect(await ours(stack)).toEqual([]);
  const { rows } = await stack.sql.query('SELECT count(*)::int AS n FROM city');
  expect(rows).toEqual([{ n: 300 }]);
  const again = await uninstall(stack, '--yes');
  expect([again.code, again.stdout]).toEqual([0, expect.stringContaining('nothing of ours')]);
  await stack.start();
  expect(stack.engine.status().source.state).toBe('streaming');
});

test('triggers and schema stay while another server of ours needs them', async () => {
  const stack = await cities();
  await stack.stop();
  await stack.sql.query(
    `CREATE PUBLICATION other; INSERT INTO tidelock.publication VALUES ('other')`,
  );
  await until('the slot is free', async () => {
    const { rows } = await stack.sql.query(
      'SELECT 1 FROM pg_replication_slots WHERE slot_name = $1 AND active',
      [stack.name],
    );
    return rows.length === 0;
  });
  const done = await uninstall(stack, '--yes');
  expect(done.code).toBe(0);
  expect(done.stdout).toContain('stay for: other');
  const left = await ours(stack);
  expect(left).toContain('schema');
  expect(left).not.toContain('slot');
  expect(left).not.toContain('publication');
});

test('versions, triggers and the role of two-way tables go with it; the rows and the grants of others stay', async () => {
  const stack = await cities();
  await stack.stop();
  const role = `u_${stack.name}`;
  const session = await PgSession.connect({ url: stack.url });
  await enableTwoway(session, { table: 'city', role });
  await session.query(`UPDATE public.city SET name = 'x' WHERE id < 10`);
  await session.end();
  await until('the slot is free', async () => {
    const { rows } = await stack.sql.query(
      'SELECT 1 FROM pg_replication_slots WHERE slot_name = $1 AND active',
      [stack.name],
    );
    return rows.length === 0;
  });
  const done = await uninstall(stack, '--yes');
  expect(done.stdout).toContain('versions of two-way tables public.city');
  expect(await ours(stack)).toEqual([]);
  const { rows } = await stack.sql.query('SELECT FROM pg_roles WHERE rolname = $1', [role]);
  expect(rows).toEqual([]);
  await stack.sql.query(`UPDATE city SET name = 'y'`);
});
