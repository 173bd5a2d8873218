/** What the OpenAPI document says of the routes for Transicator's clients. Requests are checked by `input.ts`. */
import { json, type Schema } from '../schemas.ts';
import { TRANSICATOR_ERRORS } from './errors.ts';

export const JSON_TYPE = 'application/json';
export const PROTOBUF_TYPE = 'application/transicator+protobuf';
export const SQLITE_TYPE = 'application/transicator+sqlite';

const TEXT: Schema = { type: 'string' };
const NUMBER: Schema = { type: 'integer' };
const BINARY: Schema = { type: 'string', format: 'binary' };
const SEQUENCE: Schema = {
  ...TEXT,
  pattern: '^[0-9a-f]{1,8}\\.[0-9a-f]{1,8}\\.[0-9a-f]{1,8}$',
  examples: ['0.16b3748.0'],
};

/** Others may be present: clients of Transicator send what they like. */
function open(properties: Record<string, Schema>, required: readonly string[]): Schema {
  return { type: 'object', additionalProperties: true, required, properties };
}

const ERROR: Schema = open(
  { code: { enum: Object.keys(TRANSICATOR_ERRORS) }, error: TEXT, description: TEXT },
  ['code', 'error'],
);

/** By HTTP status. */
export const ERRORS: Record<string, Schema> = Object.fromEntries(
  [...new Set(Object.values(TRANSICATOR_ERRORS).map(([status]) => status))].map((status) => {
    const codes = Object.entries(TRANSICATOR_ERRORS).filter(([, [one]]) => one === status);
    return [String(status), json(codes.map(([code]) => code).join(', '), ERROR)];
  }),
);

const SELECTORS: Schema = {
  type: 'array',
  items: { type: 'string', pattern: '^[0-9a-z_-]+$' },
  description: 'A selector; repeat for several. `scope` and `selector` mean the same.',
};

const ROW: Schema = {
  type: 'object',
  description: 'By column: its value as text and the OID of its type.',
  additionalProperties: open({ value: { type: ['string', 'null'] }, type: NUMBER }, [
    'value',
    'type',
  ]),
};

const CHANGE: Schema = open(
  {
    operation: { enum: [1, 2, 3], description: '1 insert, 2 update, 3 delete' },
    table: TEXT,
    sequence: SEQUENCE,
    commitSequence: NUMBER,
    changeSequence: NUMBER,
    commitIndex: NUMBER,
    txid: NUMBER,
    timestamp: NUMBER,
    newRow: ROW,
    oldRow: ROW,
  },
  ['operation', 'table', 'sequence', 'commitIndex'],
);

export const CHANGES_SCHEMA = {
  summary: 'Transicator: changes after a sequence',
  querystring: open(
    {
      scope: SELECTORS,
      selector: SELECTORS,
      since: { ...SEQUENCE, description: 'Deliver what comes after it.' },
      snapshot: { ...TEXT, description: 'xmin:xmax:xips; leave out what it shows.' },
      limit: { ...NUMBER, default: 100, maximum: 100_000 },
      block: { ...NUMBER, default: 0, description: 'Seconds to wait for the first change.' },
    },
    [],
  ),
  response: {
    200: {
      description: 'Whole transactions, in commit order.',
      content: {
        [JSON_TYPE]: {
          schema: open(
            {
              lastSequence: SEQUENCE,
              firstSequence: SEQUENCE,
              changes: { type: ['array', 'null'], items: CHANGE },
            },
            ['lastSequence', 'firstSequence', 'changes'],
          ),
        },
        [PROTOBUF_TYPE]: { schema: BINARY },
      },
    },
    ...ERRORS,
  },
};

export const SNAPSHOTS_SCHEMA = {
  summary: 'Transicator: where the snapshot is',
  querystring: open({ scope: SELECTORS, selector: SELECTORS }, []),
  response: {
    303: { description: 'The address of the data.', headers: { location: TEXT } },
    ...ERRORS,
  },
};

export const DATA_SCHEMA = {
  summary: 'Transicator: all rows of some selectors at one moment',
  querystring: open(
    { scope: SELECTORS, selector: SELECTORS, type: { enum: ['json', 'sqlite', 'proto'] } },
    [],
  ),
  response: {
    200: {
      description: 'One transaction of Postgres, whatever the form.',
      content: {
        [JSON_TYPE]: {
          schema: open(
            {
              snapshotInfo: TEXT,
              timestamp: TEXT,
              tables: {
                type: ['array', 'null'],
                items: open({ name: TEXT, rows: { type: ['array', 'null'], items: ROW } }, [
                  'name',
                  'rows',
                ]),
              },
            },
            ['snapshotInfo', 'timestamp', 'tables'],
          ),
        },
        [PROTOBUF_TYPE]: { schema: BINARY },
        [SQLITE_TYPE]: { schema: BINARY },
      },
    },
    ...ERRORS,
  },
};
