/** Named places where a test may kill the process (P19). Every one of them is harmless, by design. */
export const CRASH_POINTS = [
  'bootstrap: half downloaded',
  'bootstrap: before adopt',
  'bootstrap: after adopt',
  'feed: after parse',
  'apply: before begin',
  'apply: before commit',
  'apply: after commit',
  'stream: inside a large transaction',
  'stream: before commit',
  'resync: after begin',
  'resync: between rows',
  'resync: before commit',
  'resync: after commit',
  'lease: before report',
] as const;

/** The same on the way of local writes to the server. */
export const UPLOAD_CRASH_POINTS = [
  'upload: before seal',
  'upload: after seal',
  'upload: before send',
  'upload: answered',
  'upload: after settle',
] as const;

export type CrashPoint = (typeof CRASH_POINTS)[number] | (typeof UPLOAD_CRASH_POINTS)[number];

/** Called when the program passes the point; by default nobody listens. */
export type CrashHook = (point: CrashPoint) => void;
