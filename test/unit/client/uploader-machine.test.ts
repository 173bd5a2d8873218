import { describe, expect, test } from 'vitest';
import { BACKOFF_FIRST_MS, BACKOFF_MAX_MS } from '../../../src/client/machine.ts';
import {
  stepUploader,
  UPLOADER_INITIAL,
  type Uploader,
  type UploaderEffect,
  type UploaderEvent,
  type UploaderState,
} from '../../../src/client/uploader-machine.ts';
import type { ErrorCode } from '../../../src/core/errors.ts';

const trouble = (code: ErrorCode): UploaderEvent => ({
  kind: 'trouble',
  trouble: { code, message: code },
  jitter: 1,
});

const STATES: Record<string, UploaderState> = {
  closed: { kind: 'closed' },
  held: { kind: 'held' },
  idle: { kind: 'idle' },
  sealing: { kind: 'sealing' },
  sending: { kind: 'sending' },
  waiting: { kind: 'waiting', trouble: { code: 'SERVER_UNREACHABLE', message: '' }, delayMs: 1 },
  refused: { kind: 'waiting', trouble: { code: 'TOKEN_INVALID', message: '' }, delayMs: 1 },
};

const EVENTS: Record<string, UploaderEvent> = {
  start: { kind: 'start' },
  ready: { kind: 'ready' },
  hold: { kind: 'hold' },
  written: { kind: 'written' },
  asked: { kind: 'asked' },
  sealedMore: { kind: 'sealed', hasBatch: true },
  sealedNone: { kind: 'sealed', hasBatch: false },
  answered: { kind: 'answered' },
  network: trouble('SERVER_UNREACHABLE'),
  diskFull: trouble('REPLICA_WRITE_FAILED'),
  tokenExpired: trouble('TOKEN_INVALID'),
  cloned: trouble('SITE_CLONED'),
  gap: trouble('UPLOAD_GAP'),
  resyncFirst: trouble('RESYNC_FIRST'),
  tooLarge: trouble('TOO_LARGE'),
  timer: { kind: 'timer' },
  close: { kind: 'close' },
};

/** Event -> next state by state, in the order of STATES; `.` = ignored. */
const TABLE: Record<string, string> = {
  //             closed held    idle    sealing sending waiting refused
  start: '       held   .       .       .       .       .       .',
  ready: '       .      sealing sealing .       .       sealing .',
  hold: '        .      .       held    held    held    held    held',
  written: '     .      .       sealing .       .       .       .',
  asked: '       .      .       sealing .       .       sealing sealing',
  sealedMore: '  .      .       .       sending .       .       .',
  sealedNone: '  .      .       .       idle    .       .       .',
  answered: '    .      .       .       .       sealing .       .',
  network: '     .      .       .       waiting waiting .       .',
  diskFull: '    .      .       .       waiting waiting .       .',
  tokenExpired: '.      .       .       waiting waiting .       .',
  cloned: '      .      .       .       sealing sealing .       .',
  gap: '         .      .       .       sealing sealing .       .',
  resyncFirst: ' .      .       .       held    held    .       .',
  tooLarge: '    .      .       .       sealing sealing .       .',
  timer: '       .      .       .       .       .       sealing sealing',
  close: '       .      closed  closed  closed  closed  closed  closed',
};

describe('every event in every state of the uploader', () => {
  for (const [eventName, row] of Object.entries(TABLE)) {
    test(eventName, () => {
      const event = EVENTS[eventName];
      const results = Object.values(STATES).map((state) => {
        if (event === undefined) return '?';
        const { uploader } = stepUploader({ ...UPLOADER_INITIAL, state }, event);
        return uploader.state === state ? '.' : uploader.state.kind;
      });
      expect(results).toEqual(row.trim().split(/\s+/));
    });
  }

  test('the table has every event', () => {
    expect(Object.keys(TABLE)).toEqual(Object.keys(EVENTS));
  });
});

type Walk = { readonly uploader: Uploader; readonly effects: readonly UploaderEffect['kind'][] };

function walk(names: readonly string[], from: Uploader = UPLOADER_INITIAL): Walk {
  let uploader = from;
  const effects: UploaderEffect['kind'][] = [];
  for (const name of names) {
    const event = EVENTS[name];
    if (event === undefined) throw new Error(`no event ${name}`);
    const next = stepUploader(uploader, event);
    uploader = next.uploader;
    effects.push(...next.effects.map(({ kind }) => kind));
  }
  return { uploader, effects };
}

const SENDING = ['start', 'ready', 'sealedMore'];

test('P2: an answer is stored before the next batch is taken', () => {
  const { effects } = walk([...SENDING, 'answered', 'sealedMore', 'answered', 'sealedNone']);
  expect(effects.slice(2)).toEqual(['seal', 'send', 'settle', 'seal', 'send', 'settle', 'seal']);
});

test('P27: delays of an upload double up to the cap, for ever, and start anew when a batch is accepted', () => {
  let { uploader } = walk(SENDING);
  const delays: number[] = [];
  const fail = (): void => {
    uploader = walk(['network'], uploader).uploader;
    delays.push(uploader.state.kind === 'waiting' ? uploader.state.delayMs : -1);
    uploader = walk(['timer', 'sealedMore'], uploader).uploader;
  };
  for (let tries = 0; tries < 40; tries += 1) fail();
  expect(delays.slice(0, 3)).toEqual([1, 2, 4].map((factor) => factor * BACKOFF_FIRST_MS));
  expect(delays.at(-1)).toBe(BACKOFF_MAX_MS);
  uploader = walk(['answered', 'sealedMore'], uploader).uploader;
  fail();
  expect(delays.at(-1)).toBe(BACKOFF_FIRST_MS);
});

test('a token that is not accepted is tried seldom, and at once when somebody asks', () => {
  const { uploader } = walk([...SENDING, 'tokenExpired']);
  expect(uploader.state).toMatchObject({ kind: 'waiting', delayMs: BACKOFF_MAX_MS });
  expect(walk(['asked'], uploader).effects).toEqual(['cancelWait', 'seal']);
});

test('a copied file takes a new site at once, and waits when that does not help', () => {
  const first = walk([...SENDING, 'cloned', 'sealedMore', 'cloned', 'sealedMore']);
  expect(first.effects.filter((kind) => kind === 'newSite')).toHaveLength(2);
  const third = walk(['cloned'], first.uploader);
  expect(third.effects).toEqual(['abort', 'wait']);
  expect(walk(['timer', 'sealedMore', 'cloned'], third.uploader).effects).toContain('newSite');
});

test('a base beyond the horizon is resynced first, and nothing is sent before that has ended', () => {
  const { uploader, effects } = walk([...SENDING, 'resyncFirst']);
  expect(effects.slice(-1)).toEqual(['resync']);
  expect(walk(['written', 'asked', 'timer'], uploader).effects).toEqual([]);
  expect(walk(['ready', 'sealedMore'], uploader).effects).toEqual(['seal', 'send']);
});

test('what is too large is made smaller, however often', () => {
  const names = Array.from({ length: 20 }, () => ['tooLarge', 'sealedMore']).flat();
  const { effects } = walk([...SENDING, ...names]);
  expect(effects.filter((kind) => kind === 'shrink')).toHaveLength(20);
  expect(effects).not.toContain('wait');
});
