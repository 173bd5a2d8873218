/** The life of a source that is no Postgres, on a real log and a clock that a test moves. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { inspect } from '../../../src/coordinator/inspect.ts';
import type { Ts } from '../../../src/core/lsn.ts';
import type { EngineCore } from '../../../src/engine/core.ts';
import { openLocalCore } from '../../../src/engine/local/local-engine.ts';
import { type LocalContent, LocalSource } from '../../../src/engine/local/local-source.ts';
import { HandClock } from '../../support/hand-clock.ts';

/** Longer than the first wait after a loss, shorter than the silence that ends a connection. */
const RECONNECT_MS = 2000;

/** A number that grows; positions are its values. */
class Counter implements LocalContent {
  readonly tables = [];
  changes = 0;
  isReady = true;
  isClosed = false;
  value = 7;
  isFilled = true;
  failure: Error | null = null;
  readonly asked: string[] = [];

  begin(): Ts | null {
    this.asked.push('begin');
    if (this.failure !== null) throw this.failure;
    return this.isFilled ? (this.value as Ts) : null;
  }

  tell(after: Ts): { readonly tasks: []; readonly upper: Ts } | null {
    this.asked.push(`tell ${after}`);
    if (this.failure !== null) throw this.failure;
    return this.value > after ? { tasks: [], upper: this.value as Ts } : null;
  }

  reach(ts: Ts): void {
    this.asked.push(`reach ${ts}`);
    this.value = ts;
  }

  openRows(): never {
    throw new Error('nobody copies rows here');
  }

  close(): void {
    this.isClosed = true;
  }
}

let dir: string;
let clock: HandClock;
let content: Counter;
let core: EngineCore;
let source: LocalSource;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'tidelock-local-'));
  clock = new HandClock();
  content = new Counter();
  core = openLocalCore(join(dir, 'log'), clock);
  source = new LocalSource(core, 'counter', content);
});

afterEach(async () => {
  await source.close();
  core.stop();
  rmSync(dir, { recursive: true });
});

const phase = (): string => core.look(inspect).source.phase;
const generation = (): number => core.look(inspect).generation;

function start(): void {
  core.start(source);
  clock.settle();
}

test('a start begins a history where the content is, and goes on from there', () => {
  start();
  expect([phase(), core.tail.store.upper]).toEqual(['streaming', 7]);
  content.value = 9;
  source.wake();
  clock.settle();
  expect(core.tail.store.upper).toBe(9);
});

test('any number of wakes is one look', () => {
  start();
  content.asked.length = 0;
  for (let wake = 0; wake < 50; wake += 1) source.wake();
  clock.settle();
  expect(content.asked).toEqual(['tell 7']);
});

test('a history waits until the content has its rows', () => {
  content.isFilled = false;
  start();
  expect(phase()).not.toBe('streaming');
  content.isFilled = true;
  source.wake();
  clock.settle();
  expect(phase()).toBe('streaming');
});

test('a source at rest tells nothing, and all of it afterwards', () => {
  start();
  source.pause();
  content.value = 12;
  source.wake();
  clock.settle();
  expect(core.tail.store.upper).toBe(7);
  source.resume();
  clock.settle();
  expect(core.tail.store.upper).toBe(12);
});

test('content that was lost begins a new history, also when the source was at rest', () => {
  start();
  const before = generation();
  source.pause();
  content.value = 3;
  content.isReady = false;
  source.lose('it is another counter');
  clock.settle();
  expect(phase()).not.toBe('streaming');
  content.isReady = true;
  clock.advance(RECONNECT_MS);
  // A second history that delivered nothing yet is connected to a little later.
  clock.advance(RECONNECT_MS);
  expect([phase(), core.tail.store.upper]).toEqual(['streaming', 3]);
  expect(generation()).toBe(before + 1);
  content.value = 4;
  source.wake();
  clock.settle();
  expect(core.tail.store.upper).toBe(4);
});

test('content that cannot be read is a source that is away, and is gone on with later', () => {
  start();
  const before = generation();
  content.failure = new Error('the disk is gone');
  content.value = 8;
  source.wake();
  clock.settle();
  expect(phase()).not.toBe('streaming');
  content.failure = null;
  clock.advance(RECONNECT_MS);
  expect([phase(), core.tail.store.upper, generation()]).toEqual(['streaming', 8, before]);
});

test('a history whose content cannot be read at first begins when it can', () => {
  content.failure = new Error('the disk is gone');
  start();
  expect(phase()).not.toBe('streaming');
  content.failure = null;
  clock.advance(RECONNECT_MS);
  clock.advance(RECONNECT_MS);
  expect([phase(), core.tail.store.upper]).toEqual(['streaming', 7]);
});

test('who waits for a position makes content go there that nobody changes', async () => {
  start();
  content.asked.length = 0;
  const reached = core.waitFor(20 as Ts, 1000, new AbortController().signal);
  clock.settle();
  expect(await reached).toBe(20);
  expect(content.asked).toEqual(['reach 20', 'tell 7']);
});

test('a closed source closes its content and looks no more', async () => {
  start();
  content.asked.length = 0;
  source.wake();
  await source.close();
  source.wake();
  clock.settle();
  expect([content.isClosed, content.asked]).toEqual([true, []]);
});
