/** What a run works on: Postgres, a server, tokens, and a proxy for each database where one is needed. */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { TidelockError } from '../../core/errors.ts';
import type { EmbeddedPostgres } from '../../postgres/embedded.ts';
import { systemClock } from '../../server/clock.ts';
import { issueToken } from '../../server/tokens.ts';
import type { Closers } from '../closers.ts';
import { FaultProxy } from '../proxy/fault-proxy.ts';
import { ServerProcess, startPostgres } from '../stress/cluster.ts';
import type { EvidenceWriter } from '../stress/evidence-writer.ts';
import type { Report } from '../stress/run.ts';
import { TWOWAY_BUGS } from './bugs/catalog.ts';
import { LeakSearch } from './leaks.ts';
import { userId, userOf, usersOf } from './options.ts';
import type { TwowayOptions } from './run-options.ts';
import { connectOrCreate, setUp } from './setup.ts';
import type { RunTable } from './table.ts';

export type Stage = {
  readonly options: TwowayOptions;
  readonly evidence: EvidenceWriter;
  readonly report: Report;
  readonly closers: Closers;
  readonly signal: AbortSignal;
};

export type Place = {
  /** From 1. */
  readonly database: number;
  readonly user: number | null;
  readonly server: string;
  readonly token: string | null;
  /** Null when nothing is done to its network and nobody looks for leaks. */
  readonly proxy: FaultProxy | null;
  readonly leaks: LeakSearch | null;
};

export type Stack = {
  readonly table: RunTable;
  readonly postgresUrl: string;
  /** Null: not ours, and out of the reach of faults. */
  readonly postgres: EmbeddedPostgres | null;
  readonly server: string;
  /** Null when the server wants none. */
  readonly adminToken: string | null;
  /** Null: not ours, and out of the reach of faults. */
  readonly serverProcess: ServerProcess | null;
  readonly places: readonly Place[];
  readonly nonce: string;
};

const TOKEN_S = 86_400;

export async function openStack(stage: Stage): Promise<Stack> {
  const { options, report, closers, signal } = stage;
  report.progress(options.stack === null ? 'starting Postgres' : 'connecting');
  const own =
    options.stack === null ? await startPostgres({ dir: options.dir, bug: null }, closers) : null;
  const url = own?.url ?? options.stack?.postgres ?? '';
  signal.throwIfAborted();
  const nonce = options.seed.toString(36);
  report.progress('making the table');
  const table = await makeTable(options, { url, nonce });
  report.progress('starting the server');
  const secret = randomBytes(32).toString('hex');
  const serverProcess = options.stack === null ? await startServer(stage, url, secret) : null;
  const server = serverProcess?.url ?? options.stack?.server ?? '';
  const admin = options.stack === null ? await adminToken(secret) : options.stack.adminToken;
  return {
    table,
    postgresUrl: url,
    postgres: own?.postgres ?? null,
    server,
    adminToken: admin,
    serverProcess,
    nonce,
    places: await openPlaces(stage, server, admin),
  };
}

async function makeTable(
  { schema, isRls, databases }: TwowayOptions,
  { url, nonce }: { readonly url: string; readonly nonce: string },
): Promise<RunTable> {
  const session = await connectOrCreate(url);
  try {
    return await setUp({ url, nonce, schema, isRls, users: usersOf(databases) }, session);
  } finally {
    await session.end();
  }
}

async function startServer(
  stage: Stage,
  postgresUrl: string,
  secret: string,
): Promise<ServerProcess> {
  const { options, evidence, closers, signal } = stage;
  const { launch, dir, bug } = options;
  const environment = { ...launch.environment, TIDELOCK_TOKEN_SECRETS: secret };
  const isPlanted = bug !== null && TWOWAY_BUGS[bug].place === 'server';
  const process = new ServerProcess({
    launch: { ...launch, environment },
    ...{ evidence, postgresUrl, dir, bug: null, protocol: 'native' },
    programArguments: isPlanted
      ? (port) => {
          const settings = {
            bug,
            postgres: postgresUrl,
            port: Number(port),
            data: join(dir, 'server'),
          };
          return ['stress', 'twoway-server', JSON.stringify(settings)];
        }
      : undefined,
  });
  closers.add(async () => process.process?.stop());
  await process.start(signal);
  return process;
}

function adminToken(secret: string): Promise<string> {
  return issueToken(
    {
      ...{
        secret,
        subject: 'stress',
        selectors: [],
        scopes: ['admin', 'read'],
        lifetimeS: TOKEN_S,
      },
      ...{ issuer: undefined, audience: undefined },
    },
    systemClock,
  );
}

async function openPlaces(
  stage: Stage,
  server: string,
  admin: string | null,
): Promise<readonly Place[]> {
  const { options, closers } = stage;
  const { databases, isRls, faults, seed } = options;
  if (isRls && admin === null) throw needsTokens();
  const places: Place[] = [];
  for (let database = 1; database <= databases; database++) {
    const user = isRls ? userOf(database) : null;
    const token =
      admin === null
        ? null
        : await tokenFor(server, admin, user === null ? `db${database}` : userId(user));
    const leaks = user === null ? null : new LeakSearch(user);
    const isBehindProxy = leaks !== null || faults !== 'none';
    const proxy = isBehindProxy
      ? await FaultProxy.start({ target: server, seed: seed + database, capture: leaks?.capture })
      : null;
    if (proxy !== null) closers.add(() => proxy.close());
    places.push({ database, user, token, proxy, leaks, server: proxy?.url ?? server });
  }
  return places;
}

async function tokenFor(server: string, admin: string, user: string): Promise<string> {
  const answer = await fetch(`${server}/v2/tokens`, {
    method: 'POST',
    headers: { authorization: `Bearer ${admin}`, 'content-type': 'application/json' },
    body: JSON.stringify({ user, scopes: ['read', 'write'], lifetimeS: TOKEN_S }),
  });
  const body = (await answer.json()) as { readonly token?: string };
  if (answer.ok && body.token !== undefined) return body.token;
  throw new TidelockError({
    code: 'TOKEN_FORBIDS',
    message: `the server makes no token (${answer.status}): ${JSON.stringify(body).slice(0, 300)}`,
    hint: 'give --admin-token, or TIDELOCK_TOKEN, with the scope admin',
  });
}

function needsTokens(): TidelockError {
  return new TidelockError({
    code: 'TOKEN_FORBIDS',
    message: 'with row-level security each database needs a token of its user',
    hint: 'give --admin-token, or TIDELOCK_TOKEN, with the scope admin, for a server with TIDELOCK_TOKEN_SECRETS',
  });
}
