/** A log store under test, which is opened again in the middle of a test. */
import { afterEach } from 'vitest';
import { hasCode } from '../../../src/core/errors.ts';
import type { LogStore } from '../../../src/log/port.ts';
import { anIdentity, aTable } from './groups.ts';

/** One store under test. `open` is called again after the store was closed. */
export type LogStoreUnderTest = {
  open(): LogStore;
  /** Removes what was stored. */
  destroy(): void;
};

/** A new store for each test of the present suite. */
export function useLogStore(make: () => LogStoreUnderTest) {
  let subject: LogStoreUnderTest | undefined;
  let store: LogStore | undefined;

  const open = (): LogStore => {
    subject = make();
    store = subject.open();
    return store;
  };
  const reopen = (): LogStore => {
    store?.close();
    store = subject?.open();
    if (store === undefined) throw new Error('open() or start() comes first');
    return store;
  };

  afterEach(() => {
    store?.close();
    subject?.destroy();
    store = undefined;
    subject = undefined;
  });

  return {
    get store() {
      return store;
    },
    /** As it is before its first history. */
    open,
    /** With an empty history. */
    start(): LogStore {
      const fresh = open();
      fresh.reset(anIdentity(), [aTable()]);
      return fresh;
    },
    reopen,
    /** What must hold now and after reopening. */
    nowAndReopened(check: (log: LogStore) => void): void {
      if (store === undefined) throw new Error('start() comes first');
      check(store);
      check(reopen());
    },
  };
}

export function codeOf(work: () => unknown): string | undefined {
  try {
    work();
    return undefined;
  } catch (error) {
    return hasCode(error, 'TOO_OLD') ? 'TOO_OLD' : String(error);
  }
}

export function factsOf(log: LogStore) {
  return { heads: [...log.heads], upper: log.upper, since: log.since, tables: log.tables };
}
