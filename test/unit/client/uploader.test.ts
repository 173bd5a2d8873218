import { describe, expect, onTestFinished, test } from 'vitest';
import type { ReplicaEvent } from '../../../src/client/events.ts';
import type { ReplicaIdentity } from '../../../src/client/store.ts';
import type { UploadRequest } from '../../../src/client/upload-api.ts';
import { Uploader } from '../../../src/client/uploader.ts';
import { type ErrorCode, hasCode, TidelockError } from '../../../src/core/errors.ts';
import type { Rejection, UploadAnswer } from '../../../src/core/upload.ts';
import { ManualClock, until } from './manual-clock.ts';
import { MemoryLocal } from './memory-local.ts';
import { lsn } from './memory-store.ts';

/** Keeps the last number of each site, as Postgres does, and counts every name that it stored. */
class ModelUploads {
  readonly stored: string[] = [];
  readonly requests: UploadRequest[] = [];
  readonly #last = new Map<string, number>();
  /** Errors of the next requests: before anything is stored, or after (the answer is lost). */
  readonly faults: { readonly code: ErrorCode; readonly isLate: boolean }[] = [];
  refused = new Set<string>();
  namesMax = Number.POSITIVE_INFINITY;
  gate: Promise<void> = Promise.resolve();

  async upload(request: UploadRequest, signal: AbortSignal): Promise<UploadAnswer> {
    this.requests.push(request);
    await Promise.race([this.gate, aborted(signal)]);
    const fault = this.faults.shift();
    if (fault?.isLate === false) throw failure(fault.code);
    const answer = this.#store(request);
    if (fault !== undefined) throw failure(fault.code);
    return answer;
  }

  #store({ site, lines }: UploadRequest): UploadAnswer {
    const parsed = lines.map((line) => JSON.parse(line) as [string, number | string]);
    if (parsed.filter(([kind]) => kind === 'i').length > this.namesMax) throw failure('TOO_LARGE');
    const rejected: Rejection[] = [];
    let number = 0;
    for (const [kind, value] of parsed) {
      if (kind === 't') number = Number(value);
      else if (number > (this.#last.get(site) ?? 0)) {
        if (this.refused.has(String(value))) rejected.push({ number, code: 'DENIED', message: '' });
        else this.stored.push(String(value));
      }
    }
    this.#last.set(site, Math.max(number, this.#last.get(site) ?? 0));
    return { accepted: number, timeline: 'T1', position: lsn(500), rejected };
  }
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
}

function failure(code: ErrorCode): TidelockError {
  return new TidelockError({ code, message: code, hint: 'raise the setting' });
}

type Bed = {
  readonly api: ModelUploads;
  readonly local: MemoryLocal;
  readonly clock: ManualClock;
  readonly events: ReplicaEvent[];
  readonly resyncs: string[];
  readonly uploader: Uploader;
};

function bed(): Bed {
  const api = new ModelUploads();
  const local = new MemoryLocal();
  const clock = new ManualClock();
  const events: ReplicaEvent[] = [];
  const resyncs: string[] = [];
  const identity: ReplicaIdentity = {
    ...{ replica: 'r', server: 's', timeline: 'T1', position: lsn(100) },
    ...{ selectors: [], schemaVersion: 0 },
  };
  const uploader = new Uploader({
    ...{
      api,
      clock,
      local: () => local,
      user: () => 'ann',
      identify: async () => undefined,
      identity: () => identity,
      random: () => 0.5,
    },
    resync: (reason) => resyncs.push(reason),
    onEvent: (event) => events.push(event),
    crashPoint: () => undefined,
  });
  onTestFinished(() => uploader.close());
  uploader.start();
  uploader.ready();
  return { api, local, clock, events, resyncs, uploader };
}

const send = (uploader: Uploader): Promise<void> =>
  uploader.settled({ isBase: false, timeoutMs: 1000 });

describe('sending local writes', () => {
  test('sends what is written, in order, and counts it', async () => {
    const { api, local, uploader, events } = bed();
    local.write('a', 'b');
    uploader.written();
    await send(uploader);
    local.write('c');
    await send(uploader);
    expect(api.stored).toEqual(['a', 'b', 'c']);
    expect(uploader.counts).toEqual({ sent: 3, rejected: 0 });
    expect(events.filter(({ kind }) => kind === 'sent')).toMatchObject([
      { transactions: 2, changes: 2, position: '0/1F4', pending: 0 },
      { transactions: 1, changes: 1 },
    ]);
  });

  test('nothing is sent when nothing was written', async () => {
    const { api, uploader } = bed();
    uploader.written();
    await send(uploader);
    expect(api.requests).toEqual([]);
  });

  test('P2, P9: an answer that is lost leads to the same numbers again, which count once', async () => {
    const { api, local, uploader, clock } = bed();
    api.faults.push({ code: 'SERVER_UNREACHABLE', isLate: true });
    local.write('a');
    await expect(send(uploader)).rejects.toMatchObject({ code: 'SERVER_UNREACHABLE' });
    expect(local.counts.pending).toBe(1);
    local.write('b');
    clock.advance(1000);
    await send(uploader);
    expect(api.stored).toEqual(['a', 'b']);
    expect(api.requests.at(1)?.lines).toEqual(
      expect.arrayContaining([...(api.requests[0]?.lines ?? ['?'])]),
    );
  });

  test('a rejected write is told and blocks nothing', async () => {
    const { api, local, uploader, events } = bed();
    api.refused = new Set(['b']);
    local.write('a', 'b', 'c');
    await send(uploader);
    expect(api.stored).toEqual(['a', 'c']);
    expect(uploader.counts).toEqual({ sent: 2, rejected: 1 });
    expect(events.filter(({ kind }) => kind === 'rejected')).toMatchObject([
      { rejection: { number: 2, code: 'DENIED' } },
    ]);
  });

  test('a wait for the base ends when the base has it', async () => {
    const { local, uploader } = bed();
    local.write('a');
    let isThere = false;
    const waiting = uploader.settled({ isBase: true, timeoutMs: 1000 }).then(() => {
      isThere = true;
    });
    await until('it is sent', () => local.settled === 1);
    expect(isThere).toBe(false);
    local.included = 1;
    uploader.moved();
    await waiting;
  });

  test('a wait has a limit, and says why', async () => {
    const { api, local, uploader, clock } = bed();
    api.gate = new Promise(() => undefined);
    local.write('a');
    const waiting = send(uploader).catch((error: unknown) => error);
    clock.advance(1000);
    expect(hasCode(await waiting, 'TIMEOUT')).toBe(true);
  });
});

describe('trouble of an upload', () => {
  test('a server that is busy is waited for', async () => {
    const { api, local, uploader, clock } = bed();
    api.faults.push({ code: 'BUSY', isLate: false }, { code: 'BUSY', isLate: false });
    local.write('a');
    const sent = send(uploader);
    for (let tries = 1; tries <= 2; tries += 1) {
      await until('it waits', () => uploader.state.kind === 'waiting');
      clock.advance(300);
    }
    await sent;
    expect(api.stored).toEqual(['a']);
  });

  test('P28: a file that cannot be written for a moment is tried again', async () => {
    const { api, local, uploader, clock } = bed();
    local.write('a');
    local.failure = failure('REPLICA_WRITE_FAILED');
    uploader.written();
    expect(uploader.state.kind).toBe('waiting');
    clock.advance(100);
    await until('it is sent', () => api.stored.length === 1);
  });

  test('a copied file takes a site of its own, and its writes arrive', async () => {
    const { api, local, uploader } = bed();
    api.faults.push({ code: 'SITE_CLONED', isLate: false });
    local.write('a');
    await send(uploader);
    expect(api.stored).toEqual(['a']);
    expect(api.requests.map(({ site }) => site)).toEqual(['site-1', "site-1'"]);
  });

  test('beyond the horizon the base is resynced first; the writes stay and are sent then', async () => {
    const { api, local, uploader, resyncs } = bed();
    api.faults.push({ code: 'RESYNC_FIRST', isLate: false });
    local.write('a');
    const sent = send(uploader);
    await until('a resync is ordered', () => resyncs.length === 1);
    local.write('b');
    uploader.written();
    expect(api.requests).toHaveLength(1);
    uploader.ready();
    await sent;
    await send(uploader);
    expect(api.stored).toEqual(['a', 'b']);
  });

  test('batches become smaller until the server takes them; what alone is too large is parked', async () => {
    const { api, local, uploader, events } = bed();
    api.namesMax = 1;
    const names = ['a', 'b', 'c'];
    local.write(...names);
    await send(uploader);
    expect(api.stored).toEqual(names);
    api.namesMax = 0;
    local.write('d');
    await send(uploader);
    expect(local.rejections()).toMatchObject([{ number: 4, code: 'TOO_LARGE' }]);
    expect(local.rejections()[0]?.message).toContain(
      '1 row changes): TOO_LARGE; raise the setting',
    );
    expect(events.at(-1)).toMatchObject({ kind: 'upload', state: { kind: 'idle' } });
  });

  test('an answer that gets nowhere is an error of the protocol', async () => {
    const { api, local, uploader } = bed();
    api.upload = () =>
      Promise.resolve({ accepted: 0, timeline: 'T1', position: lsn(1), rejected: [] });
    local.write('a');
    await expect(send(uploader)).rejects.toMatchObject({ code: 'PROTOCOL' });
  });

  test('a server that does not answer is given up after two minutes', async () => {
    const { api, local, uploader, clock } = bed();
    api.gate = new Promise(() => undefined);
    local.write('a');
    uploader.written();
    await until('it sends', () => clock.timers === 1);
    clock.advance(120_000);
    await until('it waits', () => uploader.state.kind === 'waiting');
    expect(uploader.state).toMatchObject({ trouble: { code: 'TIMEOUT' } });
  });

  test('after close nothing is sent, and whoever waits is told', async () => {
    const { api, local, uploader } = bed();
    api.gate = new Promise(() => undefined);
    local.write('a');
    const waiting = send(uploader).catch((error: unknown) => error);
    await until('it sends', () => api.requests.length === 1);
    await uploader.close();
    expect(hasCode(await waiting, 'NOT_READY')).toBe(true);
    await expect(send(uploader)).rejects.toMatchObject({ code: 'NOT_READY' });
  });
});
