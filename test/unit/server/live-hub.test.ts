/** Live views: who is told what, and who is dropped. */
import { EventEmitter } from 'node:events';
import type { ServerResponse } from 'node:http';
import { expect, test } from 'vitest';
import { TidelockError } from '../../../src/core/errors.ts';
import type { JsonObject } from '../../../src/protocol/merge-patch.ts';
import { LiveHub } from '../../../src/server/dashboard/live-hub.ts';

class FakeResponse extends EventEmitter {
  readonly socket = null;
  readonly written: string[] = [];
  writableNeedDrain = false;
  destroyed = false;
  isEnded = false;

  write(text: string): void {
    this.written.push(text);
  }

  end(): void {
    this.isEnded = true;
    this.emit('close');
  }

  destroy(): void {
    this.destroyed = true;
    this.emit('close');
  }

  get events(): readonly string[] {
    return this.written.map((text) => /^event: (\w+)/.exec(text)?.[1] ?? 'beat');
  }
}

function world(lookMs = 0) {
  let now = 0;
  let looks = 0;
  const rounds = new Set<() => void>();
  const state: { view: JsonObject; failure: Error | null } = { view: { n: 0 }, failure: null };
  const clock = {
    now: () => now,
    wallMs: () => now,
    every: (_ms: number, run: () => void) => {
      rounds.add(run);
      return () => void rounds.delete(run);
    },
  };
  const failures: unknown[] = [];
  const onError = (error: unknown): void => void failures.push(error);
  const hub = new LiveHub({ clock, stallMs: 5000, watchersMax: 2, onError });
  const view = {
    name: 'n',
    look: () => {
      looks += 1;
      now += lookMs;
      if (state.failure !== null) throw state.failure;
      return state.view;
    },
  };
  const watch = (expiresAtMs = Number.POSITIVE_INFINITY) => {
    const response = new FakeResponse();
    hub.watch({ response: response as unknown as ServerResponse, view, expiresAtMs });
    return response;
  };
  const round = (ms = 250): void => {
    now += ms;
    for (const run of [...rounds]) run();
  };
  return {
    hub,
    view,
    state,
    failures,
    watch,
    round,
    looks: () => looks,
    isRunning: () => rounds.size > 0,
  };
}

test('a page gets the view, then what changed, and nothing when nothing did', () => {
  const { state, watch, round } = world();
  const page = watch();
  state.view = { n: 1 };
  round();
  round();
  expect(page.events).toEqual(['state', 'patch']);
  expect(page.written[1]).toContain('data: {"n":1}');
});

test('what a page is greeted with follows the whole view, also when that fills the socket', () => {
  const { hub, view } = world();
  const page = new FakeResponse();
  page.write = (text) => {
    page.written.push(text);
    page.writableNeedDrain = true;
  };
  const tell = hub.watch({
    response: page as unknown as ServerResponse,
    ...{ view, expiresAtMs: Number.POSITIVE_INFINITY },
    greeting: { event: 'history', data: { samples: [1] } },
  });
  tell('sample', 2);
  expect(page.events).toEqual(['state', 'history']);
  expect(page.written[1]).toContain('data: {"samples":[1]}');
});

test('all pages share one look of a round', () => {
  const { watch, round, looks } = world();
  watch();
  watch();
  const before = looks();
  round();
  expect(looks() - before).toBe(1);
});

test('a page whose socket is full gets nothing, later all at once, and is dropped when it takes nothing', () => {
  const { hub, state, watch, round } = world();
  const page = watch();
  page.writableNeedDrain = true;
  for (const n of [1, 2, 3]) {
    state.view = { n };
    round();
  }
  expect(page.events).toEqual(['state']);
  page.writableNeedDrain = false;
  round();
  expect(page.written.at(-1)).toContain('{"n":3}');
  page.writableNeedDrain = true;
  round();
  round(5000);
  expect(page.destroyed).toBe(true);
  expect(hub.count).toBe(0);
});

test('a quiet stream is kept alive by comments', () => {
  const { watch, round } = world();
  const page = watch();
  round(10_000);
  expect(page.events).toEqual(['state', 'beat']);
});

test('a look that takes long is followed by a longer rest', () => {
  const { watch, round, looks } = world(50);
  watch();
  round();
  const before = looks();
  for (let times = 0; times < 3; times += 1) round();
  expect(looks()).toBe(before);
  round(1000);
  expect(looks()).toBe(before + 1);
});

test('pages that come while a look rests get what was seen last, then what changed since', () => {
  const { state, watch, round, looks } = world(50);
  watch();
  round();
  const before = looks();
  state.view = { n: 1 };
  const late = watch();
  expect(looks()).toBe(before);
  expect(late.written[0]).toContain('{"n":0}');
  round(1000);
  expect(late.written[1]).toContain('data: {"n":1}');
});

test('the end of a token is the end of its stream, and nobody left means no rounds', () => {
  const { watch, round, isRunning } = world();
  const page = watch(1000);
  expect(isRunning()).toBe(true);
  round(1000);
  expect(page.isEnded).toBe(true);
  expect(isRunning()).toBe(false);
});

test('more pages than are allowed are told so', () => {
  const { hub, watch } = world();
  watch();
  watch();
  expect(() => hub.requireRoom()).toThrow(/watched already/);
});

test('a look that fails ends the streams of its view with the error, and nothing else', () => {
  const { hub, state, failures, watch, round, isRunning } = world();
  const page = watch();
  const failure = new TidelockError({ code: 'RUNS_UNUSABLE', message: 'the file is gone' });
  state.failure = failure;
  round();
  expect(page.events).toEqual(['state', 'error']);
  expect(page.written[1]).toContain('"code":"RUNS_UNUSABLE"');
  expect(page.isEnded).toBe(true);
  const late = watch();
  expect([late.events, late.isEnded]).toEqual([['error'], true]);
  expect(failures).toEqual([failure, failure]);
  expect([hub.count, isRunning()]).toEqual([0, false]);
});
