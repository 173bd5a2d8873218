/** The first part of a run: everything is started, and nothing has happened yet that the oracle did not see. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { TidelockError } from '../../core/errors.ts';
import { FaultProxy } from '../proxy/fault-proxy.ts';
import { Admin } from './admin.ts';
import { type Cluster, ServerProcess, startPostgres } from './cluster.ts';
import { type Oracle, startOracle } from './oracle/oracle.ts';
import { isOfNetwork } from './plan.ts';
import { fileOf, ReceiverProcess } from './receiver-process.ts';
import { replicaNames, type Stage } from './run.ts';
import {
  ACCOUNT_TABLE,
  allSelectors,
  DROP_SQL,
  EXISTS_SQL,
  firstAccounts,
  SCHEMA_SQL,
  STRESS_TABLES,
  selectorsOf,
} from './schema.ts';

const ORACLE_SLOT = 'tidelock_stress_oracle';

const ACCOUNTS_SQL = `
  INSERT INTO public.stress_account (id, balance, moves, stamp, _change_selector)
  SELECT id, balance, 0, $2, selector
  FROM json_to_recordset($1::json) AS r(id bigint, balance bigint, selector text)`;

/** Postgres, tables, oracle, first rows, server: in this order. */
export async function openCluster(
  stage: Stage,
): Promise<{ readonly cluster: Cluster; readonly admin: Admin; readonly oracle: Oracle }> {
  const { options, report, closers, evidence, signal } = stage;
  report.progress('starting Postgres');
  const own = options.stack === null ? await startPostgres(options, closers) : null;
  const url = own?.url ?? options.stack?.postgres ?? '';
  const admin = new Admin(url);
  closers.add(() => admin.end());
  signal.throwIfAborted();
  await makeTables(admin, stage);
  const oracle = await startOracle({
    ...{ url, slot: ORACLE_SLOT, tables: STRESS_TABLES, startedAt: evidence.startedAtMs },
    onEvent: (event) => evidence.write('oracle', event),
  });
  closers.add(() => oracle.abort());
  await makeAccounts(admin, stage);
  if (own === null) {
    const server = options.stack?.server ?? '';
    return { cluster: { url, server, postgres: null, serverProcess: null }, admin, oracle };
  }
  report.progress('starting the server');
  const { launch, dir, bug, protocol } = options;
  const serverProcess = new ServerProcess({
    ...{ launch, evidence, postgresUrl: url, dir, bug, protocol },
  });
  closers.add(async () => serverProcess.process?.stop());
  await serverProcess.start(signal);
  const { postgres } = own;
  return { cluster: { url, server: serverProcess.url, postgres, serverProcess }, admin, oracle };
}

async function makeTables(admin: Admin, { options, closers }: Stage): Promise<void> {
  const [found] = await admin.query(EXISTS_SQL);
  if (found?.exists === 't') {
    throw new TidelockError({
      code: 'BAD_CONFIG',
      message: 'the database has tables of an earlier stress run',
      hint: `if nobody needs them: ${DROP_SQL}; or end runs with --cleanup`,
    });
  }
  await admin.query(SCHEMA_SQL);
  if (options.isCleanedUp) closers.add(async () => void (await admin.query(DROP_SQL)));
}

/** The accounts come with a transaction that is in the evidence as any other is. */
async function makeAccounts(admin: Admin, { options, evidence }: Stage): Promise<void> {
  const accounts = firstAccounts(allSelectors(options.senders));
  const tx = 'main/1';
  const about = { process: 'main', tx };
  const session = await admin.session();
  const { txid } = await session.queryOne('BEGIN; SELECT pg_current_xact_id()::text AS txid');
  const changes = accounts.map(({ id, selector, balance }) => {
    const row = { id: `${id}`, balance: `${balance}`, moves: '0', stamp: tx };
    const whole = { ...row, _change_selector: selector };
    return { table: ACCOUNT_TABLE, op: 'insert' as const, key: `${id}`, row: whole };
  });
  evidence.write('op', {
    ...{ t: evidence.now(), ...about, kind: 'invoke', grp: 0, txid: txid ?? null, changes },
    ...{ isDoomed: false, isEnd: false },
  });
  await session.query(ACCOUNTS_SQL, [JSON.stringify(accounts), tx]);
  await session.query('COMMIT');
  evidence.write('op', { t: evidence.now(), ...about, kind: 'ok', ms: 0 });
}

/** Starts all receivers at once. They race the senders for their first copy. */
export async function openReceivers(
  stage: Stage,
  cluster: Cluster,
  onEnds: (replica: string, ends: readonly (readonly [number, number])[]) => void,
): Promise<readonly ReceiverProcess[]> {
  const { options, evidence, closers } = stage;
  const { dir, launch, protocol } = options;
  const proxies = await openProxies(stage, cluster);
  for (const folder of ['replicas', 'logs']) mkdirSync(join(dir, folder), { recursive: true });
  const receivers = replicaNames(options.receivers).map(
    (replica, index) =>
      new ReceiverProcess({
        ...{ launch, evidence, replica, protocol, onEnds },
        ...{ proxy: proxies[index] ?? null, server: proxies[index]?.url ?? cluster.server },
        ...{ selectors: selectorsOf(index, options), tables: STRESS_TABLES, bug: options.bug },
        ...{ file: fileOf(dir, replica), logFile: join(dir, 'logs', `${replica}.log`) },
      }),
  );
  closers.add(async () => {
    await Promise.all(receivers.map(({ process }) => process?.stop()));
  });
  for (const receiver of receivers) receiver.start();
  return receivers;
}

/** One for each receiver when the plan may need it; else none: nothing stands in the way of a calm run. */
async function openProxies(
  { options, closers }: Stage,
  cluster: Cluster,
): Promise<readonly FaultProxy[]> {
  const { faults, receivers, seed } = options;
  if (!faults.faults.some(isOfNetwork)) return [];
  const proxies: FaultProxy[] = [];
  for (let index = 0; index < receivers; index++) {
    const proxy = await FaultProxy.start({ target: cluster.server, seed: seed + index });
    closers.add(() => proxy.close());
    proxies.push(proxy);
  }
  return proxies;
}
