/** Turns the last lines of the server's log into an error that says what to do. */
import { TidelockError } from '../core/errors.ts';

const PORT_TAKEN = /Address already in use/;
const HELD_BY_ORPHANS = /pre-existing shared memory block|lock file ".*" already exists/;

/** What the operator can do, by the first sign in the log that fits. */
const REMEDIES: readonly (readonly [RegExp, string])[] = [
  [PORT_TAKEN, 'choose another port, or stop the program that uses this one'],
  [/No space left on device|Disk quota exceeded/, 'free some disk space, then start again'],
  [HELD_BY_ORPHANS, 'end the Postgres processes that still run in this folder'],
  [
    /incompatible with server|initialized by PostgreSQL version/,
    'the folder is from another Postgres version: move it away and start again',
  ],
  [
    /unrecognized configuration parameter|invalid value for parameter|contains errors/,
    'correct the setting named above',
  ],
  [
    /Permission denied|invalid permissions|wrong ownership|EACCES/,
    'give the folder to the user that runs this, or choose another folder',
  ],
  [/look up effective user ID/, 'give this user a name in /etc/passwd, or run as another one'],
  [
    /shared librar|cannot execute|ENOENT|Exec format/,
    'reinstall the server: npm ci; or give the URL of a Postgres of your own',
  ],
  [/Cannot allocate memory|shared memory/, 'free some memory, or lower shared_buffers'],
];

const DEFAULT_REMEDY = 'the lines above are from the server; to begin again, move the folder away';

export const isPortTaken = (log: readonly string[]): boolean => PORT_TAKEN.test(log.join('\n'));

export const isHeldByOrphans = (log: readonly string[]): boolean =>
  HELD_BY_ORPHANS.test(log.join('\n'));

/** `what` is the sentence; the log's last lines follow it in the message. */
export function startFailure(what: string, log: readonly string[], cause?: unknown): TidelockError {
  const text = log.join('\n');
  const remedy = REMEDIES.find(([sign]) => sign.test(text))?.[1] ?? DEFAULT_REMEDY;
  return new TidelockError({
    code: 'EMBEDDED_START_FAILED',
    message: text === '' ? what : `${what}; its last words:\n${text}`,
    hint: remedy,
    cause,
  });
}
