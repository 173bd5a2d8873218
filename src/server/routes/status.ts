/** GET /v1/status: where everything stands. */
import type { RouteOptions } from 'fastify';
import { formatLsn } from '../../core/lsn.ts';
import type { EngineStatus } from '../../engine/api.ts';
import { PROTOCOL_VERSION } from '../../protocol/feed.ts';
import type { ServerContext } from '../context.ts';
import { leaseParts } from '../lease-names.ts';
import { COUNT, failures, json, object, POSITION, type Schema } from '../schemas.ts';

const TEXT: Schema = { type: 'string' };
const COUNT_OR_NULL: Schema = { type: ['integer', 'null'] };

const STATUS: Schema = object(
  {
    protocol: { type: 'integer' },
    timeline: { type: ['string', 'null'] },
    draining: { type: 'boolean' },
    source: object(
      {
        state: { enum: ['starting', 'streaming', 'down', 'slot_busy', 'unfit', 'resyncing'] },
        since: { ...TEXT, description: 'When this state began.' },
        reason: TEXT,
        attempts: COUNT,
        slot: TEXT,
        retainedWalBytes: COUNT_OR_NULL,
        lagBytes: COUNT_OR_NULL,
      },
      ['reason'],
    ),
    log: object(
      {
        state: { enum: ['ok', 'failed'] },
        reason: TEXT,
        upper: POSITION,
        since: POSITION,
        confirmed: POSITION,
        sizeBytes: COUNT,
        groups: COUNT,
      },
      ['reason'],
    ),
    tables: {
      type: 'array',
      items: object(
        {
          name: TEXT,
          state: { enum: ['live', 'held', 'unfit', 'unreadable'] },
          reason: TEXT,
          selector: TEXT,
        },
        ['reason', 'selector'],
      ),
    },
    leases: {
      type: 'array',
      description: 'Shown to administrators only.',
      items: object(
        { replica: TEXT, subject: TEXT, ts: POSITION, expiresInS: { type: 'number' } },
        ['subject'],
      ),
    },
    subscribers: COUNT,
    counters: object({
      ...{ transactions: COUNT, changes: COUNT, redelivered: COUNT, snapshots: COUNT },
      tombstones: COUNT,
    }),
    lastCommitLagS: { type: ['number', 'null'] },
  },
  ['leases'],
);

export function statusRoute(context: ServerContext): RouteOptions {
  return {
    method: 'GET',
    url: '/v1/status',
    config: { scope: 'read' },
    schema: {
      summary: 'State of the source, the log, the tables and the replicas',
      querystring: object({}),
      response: { 200: json('The present state.', STATUS), ...failures([]) },
    },
    handler: async (request) => {
      const status = context.engine.status();
      const { leases, ...rest } = status;
      return {
        protocol: PROTOCOL_VERSION,
        draining: context.draining.aborted,
        ...rest,
        log: logForm(status.log),
        ...(request.access.isAdmin ? { leases: leases.map(leaseForm) } : {}),
      };
    },
  };
}

function logForm(log: EngineStatus['log']): Record<string, unknown> {
  return {
    ...log,
    upper: formatLsn(log.upper),
    since: formatLsn(log.since),
    confirmed: formatLsn(log.confirmed),
  };
}

function leaseForm(lease: EngineStatus['leases'][number]): Record<string, unknown> {
  return { ...lease, ...leaseParts(lease.replica), ts: formatLsn(lease.ts) };
}
