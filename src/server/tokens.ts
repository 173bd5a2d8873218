/**
 * JSON Web Tokens. The token's algorithm only ever chooses among keys of its own kind: HS256 is checked
 * with shared secrets and nothing else, public-key algorithms with the JWKS and nothing else.
 */
import {
  decodeProtectedHeader,
  errors,
  type JWTPayload,
  type JWTVerifyGetKey,
  type JWTVerifyOptions,
  jwtVerify,
  SignJWT,
} from 'jose';
import { messageOf, TidelockError } from '../core/errors.ts';
import type { Clock } from './clock.ts';
import { needsTokens, type TokenSettings } from './config.ts';
import { publicKeysOf } from './key-set.ts';

export type TokenScope = 'read' | 'write' | 'admin';

/** The part of a checked token that we act on. */
export type TokenClaims = {
  readonly subject: string;
  readonly selectors: ReadonlySet<string> | 'any';
  readonly scopes: ReadonlySet<string>;
  /** Everything that the token says. */
  readonly all: Readonly<Record<string, unknown>>;
  readonly expiresAtMs: number;
};

const SECRET_BYTES_MIN = 32;
const TOKEN_LENGTH_MAX = 16 * 1024;
const PUBLIC_KEY_ALGORITHMS = [
  ...['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'],
  ...['ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519'],
];

export class TokenVerifier {
  readonly #clock: Clock;
  readonly #secrets: readonly Uint8Array[];
  readonly #publicKeys: JWTVerifyGetKey | null;
  readonly #settings: TokenSettings;

  /** Throws `BAD_CONFIG` for secrets that are too short and key files that cannot be read. */
  constructor(settings: TokenSettings, clock: Clock) {
    this.#settings = settings;
    this.#clock = clock;
    this.#secrets = settings.secrets.map(secretBytes);
    this.#publicKeys = publicKeysOf(settings, clock);
  }

  /** Throws `TOKEN_INVALID`. */
  async verify(token: string): Promise<TokenClaims> {
    if (token.length > TOKEN_LENGTH_MAX) throw invalid('it is too long');
    try {
      return readClaims(await this.#payload(token), this.#settings.clockToleranceS);
    } catch (error) {
      if (error instanceof TidelockError) throw error;
      if (isIssuerDown(error)) throw issuerDown(error);
      throw invalid(reasonOf(error), error);
    }
  }

  async #payload(token: string): Promise<JWTPayload> {
    const alg = algorithmOf(token);
    if (alg === 'HS256') return await this.#bySecret(token);
    if (this.#publicKeys !== null && alg !== undefined && PUBLIC_KEY_ALGORITHMS.includes(alg)) {
      const options = this.#options(PUBLIC_KEY_ALGORITHMS);
      return (await jwtVerify(token, this.#publicKeys, options)).payload;
    }
    throw invalid(`its algorithm ${JSON.stringify(alg)} is not accepted here`);
  }

  async #bySecret(token: string): Promise<JWTPayload> {
    let failure: unknown = invalid('no shared secret is configured');
    for (const secret of this.#secrets) {
      try {
        return (await jwtVerify(token, secret, this.#options(['HS256']))).payload;
      } catch (error) {
        failure = error;
        if (!(error instanceof errors.JWSSignatureVerificationFailed)) break;
      }
    }
    throw failure;
  }

  #options(algorithms: string[]): JWTVerifyOptions {
    const { issuer, audience, clockToleranceS } = this.#settings;
    return {
      algorithms,
      clockTolerance: clockToleranceS,
      currentDate: new Date(this.#clock.wallMs()),
      requiredClaims: ['exp'],
      ...(issuer === undefined ? {} : { issuer }),
      ...(audience === undefined ? {} : { audience }),
    };
  }
}

/** Null when no keys are configured: everybody may do everything. Throws `BAD_CONFIG`. */
export function createTokenVerifier(settings: TokenSettings, clock: Clock): TokenVerifier | null {
  return needsTokens(settings) ? new TokenVerifier(settings, clock) : null;
}

export type TokenRequest = {
  readonly secret: string;
  readonly subject: string;
  readonly selectors: readonly string[] | 'any';
  readonly scopes: readonly TokenScope[];
  /** Further claims, for policies; none of `RESERVED_CLAIMS`. */
  readonly claims?: Readonly<Record<string, unknown>> | undefined;
  readonly lifetimeS: number;
  readonly issuer?: string | undefined;
  readonly audience?: string | undefined;
};

/** Claims that have a meaning of their own. */
export const RESERVED_CLAIMS: readonly string[] = [
  ...['iss', 'sub', 'aud', 'exp', 'nbf', 'iat', 'jti', 'scope', 'selectors'],
];

/** Signs a token with a shared secret. Throws `BAD_CONFIG` for a secret that is too short. */
export async function issueToken(request: TokenRequest, clock: Clock): Promise<string> {
  const nowS = Math.floor(clock.wallMs() / 1000);
  const token = new SignJWT({
    ...request.claims,
    selectors: request.selectors === 'any' ? '*' : [...request.selectors],
    scope: request.scopes.join(' '),
  })
    .setProtectedHeader({ alg: 'HS256', typ: 'JWT' })
    .setSubject(request.subject)
    .setIssuedAt(nowS)
    .setExpirationTime(nowS + request.lifetimeS);
  if (request.issuer !== undefined) token.setIssuer(request.issuer);
  if (request.audience !== undefined) token.setAudience(request.audience);
  return await token.sign(secretBytes(request.secret));
}

function algorithmOf(token: string): string | undefined {
  try {
    return decodeProtectedHeader(token).alg;
  } catch (error) {
    throw invalid('it is not a JSON Web Token', error);
  }
}

function secretBytes(secret: string): Uint8Array {
  const bytes = new TextEncoder().encode(secret);
  if (bytes.byteLength >= SECRET_BYTES_MIN) return bytes;
  throw new TidelockError({
    code: 'BAD_CONFIG',
    message: `a token secret has ${bytes.byteLength} bytes, at least ${SECRET_BYTES_MIN} are needed`,
    hint: 'make one with: openssl rand -base64 48',
  });
}

function readClaims(payload: JWTPayload, clockToleranceS: number): TokenClaims {
  const { sub, exp, scope, selectors } = payload;
  if (exp === undefined) throw invalid('it has no end (claim exp)');
  if (typeof scope !== 'string') throw invalid('the claim scope is not a text');
  return {
    subject: sub ?? '',
    selectors: readSelectors(selectors),
    scopes: new Set(scope.split(' ')),
    all: payload,
    expiresAtMs: (exp + clockToleranceS) * 1000,
  };
}

function readSelectors(claim: unknown): ReadonlySet<string> | 'any' {
  if (claim === '*') return 'any';
  if (claim === undefined) return new Set();
  if (Array.isArray(claim) && claim.every((item) => typeof item === 'string')) {
    return new Set(claim);
  }
  throw invalid('the claim selectors is neither a list of texts nor "*"');
}

/** The keys' address does not answer, or not with keys: no fault of the token's. */
function isIssuerDown(error: unknown): boolean {
  return !(error instanceof errors.JOSEError) || error instanceof errors.JWKSTimeout;
}

function issuerDown(cause: unknown): TidelockError {
  return new TidelockError({
    code: 'NOT_READY',
    message: `the keys that tokens are checked with cannot be loaded: ${messageOf(cause)}`,
    hint: 'try again; the setting tokenJwksUrl of the server names the address',
    cause,
  });
}

function reasonOf(error: unknown): string {
  if (error instanceof errors.JWTExpired) return 'it has expired';
  if (error instanceof errors.JWSSignatureVerificationFailed) return 'its signature is not ours';
  if (error instanceof errors.JWKSNoMatchingKey) return 'it is signed by a key we do not know';
  return messageOf(error);
}

function invalid(why: string, cause?: unknown): TidelockError {
  return new TidelockError({
    code: 'TOKEN_INVALID',
    message: `the token cannot be accepted: ${why}`,
    hint: 'get a new token from whoever runs this server',
    cause,
  });
}
