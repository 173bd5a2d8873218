/** The issuer's public keys, which are replaced while we run: a file is read again when it changes, an address is asked again. */
import { readFileSync, statSync } from 'node:fs';
import { createLocalJWKSet, createRemoteJWKSet, type JWTVerifyGetKey } from 'jose';
import { messageOf, TidelockError } from '../core/errors.ts';
import type { Clock } from './clock.ts';
import type { TokenSettings } from './config.ts';

/** Between two looks at the file, and between two questions at the address for keys that nobody knows. */
const LOOK_MS = 1000;

/** Null without such keys. Throws `BAD_CONFIG` for a file that cannot be used. */
export function publicKeysOf(
  { jwksFile, jwksUrl }: TokenSettings,
  clock: Clock,
): JWTVerifyGetKey | null {
  if (jwksUrl !== undefined) {
    return createRemoteJWKSet(new URL(jwksUrl), { cooldownDuration: LOOK_MS });
  }
  if (jwksFile === undefined) return null;
  const file = new KeyFile(jwksFile, clock);
  return (header, token) => file.current(header, token);
}

class KeyFile {
  readonly #path: string;
  readonly #clock: Clock;
  #keys: JWTVerifyGetKey;
  #stamp: string | null;
  #lookedMs: number;

  constructor(path: string, clock: Clock) {
    this.#path = path;
    this.#clock = clock;
    this.#lookedMs = clock.now();
    this.#stamp = stampOf(path);
    this.#keys = readKeys(path);
  }

  get current(): JWTVerifyGetKey {
    const now = this.#clock.now();
    if (now - this.#lookedMs < LOOK_MS) return this.#keys;
    this.#lookedMs = now;
    const stamp = stampOf(this.#path);
    if (stamp === this.#stamp) return this.#keys;
    try {
      this.#keys = readKeys(this.#path);
      this.#stamp = stamp;
    } catch {
      // Somebody is writing it: the keys stay until it can be read.
    }
    return this.#keys;
  }
}

/** Changes with every change of the file; null when there is none. */
function stampOf(path: string): string | null {
  try {
    const { mtimeMs, size, ino } = statSync(path);
    return `${mtimeMs} ${size} ${ino}`;
  } catch {
    return null;
  }
}

function readKeys(path: string): JWTVerifyGetKey {
  try {
    return createLocalJWKSet(JSON.parse(readFileSync(path, 'utf8')));
  } catch (cause) {
    throw new TidelockError({
      code: 'BAD_CONFIG',
      message: `the key file ${path} cannot be used: ${messageOf(cause)}`,
      hint: 'it must be a JSON Web Key Set: {"keys": [...]}',
      cause,
    });
  }
}
