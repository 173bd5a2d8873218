/**
 * Holds docs/ against the code: what the pages name exists, and what exists is named. Every check is a
 * function from a text to complaints, so that the last tests can show that each sees a planted fault.
 */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { SETTING_LIST } from '../../src/cli/config.ts';
import type { FollowerState } from '../../src/client/machine.ts';
import { bucketOf } from '../../src/core/bucket.ts';
import { ERROR_CODES } from '../../src/core/errors.ts';
import { REJECTION_CODES } from '../../src/core/upload.ts';
import type { EngineStatus, SourceState, TableState } from '../../src/engine/api.ts';
import { ChangeDecoder } from '../../src/protocol/change-decoder.ts';
import type { FeedLine, SnapshotLine } from '../../src/protocol/feed.ts';
import { LineSplitter } from '../../src/protocol/lines.ts';
import { readUpload } from '../../src/protocol/upload-reader.ts';
import type { ServerContext } from '../../src/server/context.ts';
import type { EndReason } from '../../src/server/feed-stream.ts';
import { feedRoute } from '../../src/server/routes/feed.ts';
import { TRANSICATOR_ERRORS } from '../../src/server/transicator/errors.ts';
import type { ReplicaState } from '../../src/sqlite/replica-schema.ts';
import { commandsOf } from './docs/commands.ts';
import { checkVector, digestOfPage, digestOfProgram, TABLE_OF_ROWS } from './docs/digest.ts';
import {
  checkInvariants,
  checkLinks,
  differences,
  fenced,
  ROOT,
  read,
  rows,
  section,
  TEST_FILES,
} from './docs/pages.ts';

const PROTOCOL = read('docs/protocol.md');
const OPERATIONS = read('docs/operations.md');
const TRANSICATOR = read('docs/transicator.md');
const PAGES = ['README.md', 'CHANGELOG.md', ...readdirSync(join(ROOT, 'docs')).map(inDocs)]
  .filter((path) => path.endsWith('.md') && existsSync(join(ROOT, path)))
  .sort();

function inDocs(name: string): string {
  return `docs/${name}`;
}

function checkErrors(page: string): readonly string[] {
  const stated = rows(section(page, '## Error codes')).map(([code, status]) => `${code} ${status}`);
  return differences(
    stated,
    Object.entries(ERROR_CODES).map(([code, status]) => `${code} ${status}`),
  );
}

function checkMetrics(page: string): readonly string[] {
  const places = ['src/server/metrics.ts', 'src/server/lockstep/metrics.ts'];
  const code = [...places, 'src/server/runs/metrics.ts', 'src/server/sql-metrics.ts']
    .map(read)
    .join('\n');
  const names = [...code.matchAll(/'(tidelock_[a-z0-9_]+)'/g)];
  const stated = rows(section(page, '## Metrics')).map(([name = '']) => name);
  return differences(
    stated.filter((name) => name.startsWith('tidelock_')),
    names.map(([, name = '']) => name),
  );
}

function checkSettings(page: string): readonly string[] {
  const stated = rows(section(page, '## Settings')).map((row) => row.slice(0, 4).join(' '));
  const code = SETTING_LIST.map(({ name, flagName, env, byDefault }) => {
    const shown = typeof byDefault === 'string' ? byDefault : (JSON.stringify(byDefault) ?? '-');
    return [name, flagName === undefined ? '-' : `--${flagName}`, env, shown].join(' ');
  });
  return differences(stated, code);
}

/** `serve` leaves the flags of settings to their own table. */
function checkCommands(page: string): readonly string[] {
  const code = commandsOf(new Set(SETTING_LIST.map(({ flagName }) => `--${flagName}`)));
  const stated = rows(section(page, '## Commands'))
    .filter(([name]) => name !== 'command')
    .map(([name, option]) => `${name} ${option}`.trim());
  return differences(stated, code);
}

function checkRoutes(page: string): readonly string[] {
  const folder = 'src/server/routes';
  const code = readdirSync(join(ROOT, folder)).flatMap((name) => {
    const found = read(`${folder}/${name}`).matchAll(/method: '(\w+)',\s+url: '([^']+)'/g);
    return [...found].map(([, method, url = '']) => `${method} ${url.replace(/:(\w+)/g, '{$1}')}`);
  });
  const stated = rows(section(page, '## Routes')).filter(([method = '']) =>
    /^[A-Z]+$/.test(method),
  );
  return differences(
    stated.map(([method, path]) => `${method} ${path}`),
    code,
  );
}

function checkFeedParameters(page: string): readonly string[] {
  const { querystring } = feedRoute({} as ServerContext).schema as {
    readonly querystring: { readonly properties: object };
  };
  const text = section(page, '## Feed').split('### Grammar')[0] ?? '';
  const stated = rows(text).map(([name = '']) => name);
  return differences(
    stated.filter((name) => name !== 'parameter'),
    Object.keys(querystring.properties),
  );
}

/** Reasons stand in a second table below the metrics. */
function checkReasons(page: string): readonly string[] {
  return checkNames(section(page, '## Metrics'), REASONS);
}

/** Full records, so that the compiler refuses a member that is missing here. */
const LINE_TYPES: Record<(FeedLine | SnapshotLine)['type'], true> = {
  ...{ hello: true, table: true, insert: true, update: true, delete: true, truncate: true },
  ...{ resync: true, drop: true, commit: true, progress: true, heartbeat: true, error: true },
  ...{ row: true, replace: true, snapshot_completed: true },
};
const SOURCE: Record<SourceState, true> = {
  ...{ starting: true, streaming: true, down: true, slot_busy: true, unfit: true, resyncing: true },
};
const LOG: Record<EngineStatus['log']['state'], true> = { ok: true, failed: true };
const TABLE: Record<TableState['state'], true> = {
  live: true,
  held: true,
  unfit: true,
  unreadable: true,
};
const FILE: Record<ReplicaState, true> = { copying: true, live: true, resyncing: true };
const FOLLOWER: Record<FollowerState['kind'], true> = {
  ...{ bootstrapping: true, connecting: true, live: true, resyncing: true },
  ...{ waiting: true, failed: true, closed: true },
};
const REASONS: Record<EndReason, true> = {
  ...{ finished: true, client_gone: true, stalled: true, buffer_full: true },
  ...{ token_expired: true, drained: true, failed: true },
};

const STATES: readonly (readonly [heading: string, code: object])[] = [
  ['### Source', SOURCE],
  ['### Log', LOG],
  ['### Table at the server', TABLE],
  ['### Replica file', FILE],
  ['### Replica process', FOLLOWER],
];

function checkNames(text: string, code: object): readonly string[] {
  const stated = rows(text).map(([name = '']) => name);
  return differences(
    stated.filter((name) => name !== 'type' && name !== 'reason' && !name.startsWith('tidelock_')),
    Object.keys(code),
  );
}

/** The feed of the page, as the replica's own reader takes it. */
function checkFeedExample(page: string): readonly string[] {
  const [example = ''] = fenced(page, 'ndjson');
  const decoder = new ChangeDecoder([], ['FR']);
  try {
    const lines = new LineSplitter().push(Buffer.from(example));
    for (const line of lines) decoder.decode(line);
    return lines
      .filter(({ type }) => !(type in LINE_TYPES))
      .map(({ type }) => `${type} is no type`);
  } catch (error) {
    return [String(error)];
  }
}

test.each([
  ['lockstep.md', 'L', 9],
  ['merge.md', 'M', 9],
  ['security.md', 'V', 7],
  ['coordinator.md', 'Q', 15],
  ['areas.md', 'G', 13],
  ['runs-storage.md', 'S', 13],
])('%s: every invariant names tests that exist, in order', (name, letter, least) => {
  const page = read(`docs/${name}`);
  expect(checkInvariants(page, TEST_FILES)).toEqual([]);
  const found = page.match(new RegExp(`^\\*\\*${letter}\\d+\\*\\*`, 'gm'));
  expect(found?.length).toBeGreaterThanOrEqual(least);
});

test('merge.md has every code with which a transaction is refused, and an upload that is read', () => {
  const page = read('docs/merge.md');
  const stated = rows(section(page, '### Refusals')).map(([name = '']) => name);
  expect(differences(stated, Object.keys(REJECTION_CODES))).toEqual([]);
  const upload = readUpload(fenced(page, 'text').find((text) => text.startsWith('["site"')) ?? '');
  expect(upload.transactions.map(({ changes }) => changes.length)).toEqual([3]);
});

describe('protocol.md', () => {
  test('every invariant names tests that exist, in order', () => {
    expect(checkInvariants(PROTOCOL, TEST_FILES)).toEqual([]);
    expect(PROTOCOL.match(/^\*\*[A-Z]\d+\*\*/gm)?.length).toBeGreaterThan(40);
  });

  test('has the routes, the parameters of the feed and the line types of the code', () => {
    expect(checkRoutes(PROTOCOL)).toEqual([]);
    expect(checkFeedParameters(PROTOCOL)).toEqual([]);
    expect(checkNames(section(PROTOCOL, '### Line types'), LINE_TYPES)).toEqual([]);
  });

  test('its example is a feed that a replica reads', () => {
    expect(checkFeedExample(PROTOCOL)).toEqual([]);
  });
});

test('the digest of protocol.md is the program’s, on its test vector and on random rows', () => {
  expect(checkVector(PROTOCOL)).toEqual([]);
  const { digest, bucket } = digestOfPage(PROTOCOL);
  fc.assert(
    fc.property(TABLE_OF_ROWS, fc.integer(), fc.string(), ({ columns, rows: all }, id, name) => {
      expect(digest(name, columns, all)).toBe(digestOfProgram(name, columns, all));
      expect(bucket([id, name], 64)).toBe(bucketOf([id, name], 64));
    }),
  );
});

/** Paths are written with the prefix in front. */
function checkTransicatorRoutes(page: string): readonly string[] {
  const folder = 'src/server/transicator';
  const code = readdirSync(join(ROOT, folder)).flatMap((name) => {
    const found = read(`${folder}/${name}`).matchAll(/settings\.prefix\}(\/\w+)`,\n/g);
    return [...found].map(([, url = '']) => url);
  });
  const stated = rows(section(page, '## Routes')).filter(([method = '']) =>
    /^[A-Z]+$/.test(method),
  );
  return differences(
    stated.map(([, path = '']) => path),
    code,
  );
}

function checkTransicatorErrors(page: string): readonly string[] {
  return differences(
    rows(section(page, '## Errors')).map(([code, status]) => `${code} ${status}`),
    Object.entries(TRANSICATOR_ERRORS).map(([code, [status]]) => `${code} ${status}`),
  );
}

describe('transicator.md', () => {
  test('every invariant names tests that exist, in order', () => {
    expect(checkInvariants(TRANSICATOR, TEST_FILES)).toEqual([]);
    expect(TRANSICATOR.match(/^\*\*T\d+\*\*/gm)?.length).toBeGreaterThan(10);
  });

  test('has the routes and the error codes of the code', () => {
    expect(checkTransicatorRoutes(TRANSICATOR)).toEqual([]);
    expect(checkTransicatorErrors(TRANSICATOR)).toEqual([]);
  });
});

describe('operations.md', () => {
  test('has every error code with its status, and no other', () => {
    expect(checkErrors(OPERATIONS)).toEqual([]);
  });

  test('has every metric and every reason for which a feed ends', () => {
    expect(checkMetrics(OPERATIONS)).toEqual([]);
    expect(checkReasons(OPERATIONS)).toEqual([]);
  });

  test('has every setting with its names and its default', () => {
    expect(checkSettings(OPERATIONS)).toEqual([]);
  });

  test('has every command with its options', () => {
    expect(checkCommands(OPERATIONS)).toEqual([]);
  });

  test.each(STATES)('has the states below %s', (heading, code) => {
    expect(checkNames(section(OPERATIONS, heading), code)).toEqual([]);
  });
});

test('links between the pages lead somewhere', () => {
  expect(PAGES.flatMap((path) => checkLinks(path, read(path)))).toEqual([]);
});

const FAULTS: readonly (readonly [string, () => readonly string[], string])[] = [
  [
    'an invariant whose test does not exist',
    () =>
      checkInvariants(
        PROTOCOL.replace('"readers need no lock"', '"readers need a lock"'),
        TEST_FILES,
      ),
    'R3: test/unit/sqlite/replica-files.test.ts has no test "readers need a lock"',
  ],
  [
    'a test that was renamed',
    () => checkInvariants(PROTOCOL, new Map()),
    'F9: test/unit/server/feed.test.ts has no test "answers with an error when the position is too old"',
  ],
  [
    'an invariant that no test holds',
    () => checkInvariants('## Invariants\n**F1** All is well.\nHeld by: hope\n', TEST_FILES),
    'F1 names no test',
  ],
  [
    'an invariant that was left out',
    () => checkInvariants(PROTOCOL.replace('**S2**', '**S9**'), TEST_FILES),
    'S9 is out of order',
  ],
  [
    'an error code that was forgotten',
    () => checkErrors(OPERATIONS.replace('| `TOO_OLD` | 410 |', '| `TOO_OLD` | 404 |')),
    'TOO_OLD 410 is in the code only',
  ],
  [
    'a metric that does not exist',
    () => checkMetrics(OPERATIONS.replace('tidelock_queued', 'tidelock_line')),
    'tidelock_line is in the page only',
  ],
  [
    'a setting with another default',
    () => checkSettings(OPERATIONS.replace('| `7700` |', '| `7701` |')),
    'port --port TIDELOCK_PORT 7701 is in the page only',
  ],
  [
    'a flag that does not exist',
    () => checkCommands(OPERATIONS.replace('`--repair`', '`--mend`')),
    'replicate --mend is in the page only',
  ],
  [
    'a state that was forgotten',
    () => checkNames(section(OPERATIONS, '### Source').replace('`unfit`', '`sad`'), SOURCE),
    'unfit is in the code only',
  ],
  [
    'a route that does not exist',
    () => checkRoutes(PROTOCOL.replace('| GET | `/v1/wait` |', '| GET | `/v2/wait` |')),
    'GET /v2/wait is in the page only',
  ],
  [
    'a parameter that was forgotten',
    () => checkFeedParameters(PROTOCOL.replace('| `wait_s` |', '| `wait` |')),
    'wait_s is in the code only',
  ],
  [
    'a link to a heading that is gone',
    () =>
      checkLinks('docs/protocol.md', PROTOCOL.replace('## Difference snapshot', '## Differences')),
    'docs/protocol.md: #difference-snapshot names no heading',
  ],
  [
    'a link to a page that is gone',
    () => checkLinks('docs/protocol.md', PROTOCOL.replace('(operations.md)', '(running.md)')),
    'docs/protocol.md: running.md leads nowhere',
  ],
  [
    'an error of Transicator with another status',
    () =>
      checkTransicatorErrors(TRANSICATOR.replace('| `FORBIDDEN` | 403 |', '| `FORBIDDEN` | 401 |')),
    'FORBIDDEN 403 is in the code only',
  ],
  [
    'a route of Transicator that does not exist',
    () => checkTransicatorRoutes(TRANSICATOR.replace('| GET | `/data` |', '| GET | `/rows` |')),
    '/rows is in the page only',
  ],
  [
    'another digest in the test vector',
    () => checkVector(PROTOCOL.replace('"digest": "659e', '"digest": "659f')),
    '659edc44e803a2ec54635c367a70e252 is stated as 659fdc44e803a2ec54635c367a70e252',
  ],
  [
    'another constant in the definition',
    () => checkVector(PROTOCOL.replace('0x38495ab5n', '0x38495ab6n')).map((one) => one.slice(32)),
    ' is stated as 659edc44e803a2ec54635c367a70e252',
  ],
  [
    'an example that a replica would refuse',
    () => checkFeedExample(PROTOCOL.replace('"row":["PPL","place"]', '"row":["PPL"]')),
    'TidelockError: a insert line of the server is wrong: 2 values were expected',
  ],
];

test.each(FAULTS)('the checks see %s', (_fault, check, complaint) => {
  expect(check()).toContain(complaint);
});
