/**
 * Named places where a test may kill the server's process (P19). Every one of them is harmless, by design:
 * what is lost is delivered again, what is done twice has no second effect.
 */
export const ENGINE_CRASH_POINTS = [
  /** Triggers and publication are as wanted; the source's facts are not read yet. */
  'published',
  /** The facts are read; nothing is decided. */
  'connected',
  /** A new history begins: the old slot is gone, the log still holds the old history. */
  'slotDropped',
  /** The new slot stands, the log still holds the old history. */
  'slotCreated',
  /** The log holds the new, empty history; nobody was told. */
  'afterReset',
  /** Changed tables were announced in the stream; the announcement has not arrived. */
  'announced',
  /** A socket read of the source is decoded, its groups are not cut. Also inside of transactions. */
  'read',
  /** The groups of a read are cut, the log has seen nothing of them. */
  'decoded',
  /** A piece of a large open transaction goes to the staging area. */
  'beforeStage',
  'afterStage',
  /** A large transaction has committed and its pieces become groups. */
  'beforeSeal',
  'afterSeal',
  /** A large transaction was rolled back and its pieces go. */
  'beforeDiscard',
  'afterDiscard',
  /** Complete transactions go to the log; afterwards they are durable, and neither readers nor the slot know. */
  'beforeAppend',
  'afterAppend',
  /** A position that no transaction carries is made durable; the slot is not confirmed. */
  'beforeNoteUpper',
  'afterNoteUpper',
  /** Postgres is told what it may forget. */
  'beforeConfirm',
  'afterConfirm',
  /** A frame was read for a subscriber and is not on its way yet. */
  'frameRead',
  /** Old small groups become one. */
  'beforeMerge',
  'afterMerge',
  /** Groups that nobody needs leave the log. */
  'beforePurge',
  'afterPurge',
  /** A snapshot's transaction is open and its position known; no row was read. */
  'snapshotOpened',
  /** All rows are copied; late transactions are missing. */
  'snapshotCopied',
  /** The snapshot is complete; the replica has not had its end. */
  'snapshotFinished',
] as const;

export type EngineCrashPoint = (typeof ENGINE_CRASH_POINTS)[number];

/** Called when the program passes the point: once per read, write or frame, never per row. */
export type EngineCrashHook = (point: EngineCrashPoint) => void;
