/** What the server must be told. src/cli/config.ts derives file keys, flags and environment names. */
import type { TableNaming } from '../protocol/transicator/names.ts';

export type TokenSettings = {
  /** Shared secrets for HS256, newest first; several while one is being replaced. At least 32 bytes each. */
  readonly secrets: readonly string[];
  /** Public keys of an issuer: a file, or an https address that is asked again when a key is unknown. */
  readonly jwksFile: string | undefined;
  readonly jwksUrl: string | undefined;
  /** When set, `iss` and `aud` must match. */
  readonly issuer: string | undefined;
  readonly audience: string | undefined;
  /** How far the issuer's clock may be off. */
  readonly clockToleranceS: number;
};

export type ServerLimits = {
  readonly selectorsMax: number;
  readonly urlBytesMax: number;
  readonly bodyBytesMax: number;
  /** Body of a difference snapshot: digests of every bucket of every table. */
  readonly digestBodyBytesMax: number;
  /** An upload as it is sent, and unpacked: as large as one local transaction can be. */
  readonly uploadBodyBytesMax: number;
  readonly uploadBytesMax: number;
  /** Uploads merged at the same time, each over a connection to Postgres; others queue. */
  readonly uploadsMax: number;
  /** Uploads of one user that arrive, wait or are merged. */
  readonly uploadsPerUserMax: number;
  /** Bytes of uploads, as they are sent, that arrive or wait, all together. */
  readonly uploadBufferBytesMax: number;
  /** In which a request must have arrived, with its body. */
  readonly requestS: number;
  readonly connectionsMax: number;
  readonly streamsMax: number;
  /** A reader whose socket takes nothing for so long is dropped; it resumes by `since`. */
  readonly stallS: number;
  /**
   * What all stalled readers together may keep from being freed; above it, those that stalled first are
   * dropped early. A frame that many of them wait for counts once.
   */
  readonly stalledBytesMax: number;
  /** Snapshots made and sent at the same time; others queue. */
  readonly snapshotsMax: number;
  readonly digestsMax: number;
  /** Snapshots or digests that may wait for their turn, and for how long. */
  readonly queueMax: number;
  readonly queueS: number;
  readonly waitsMax: number;
  /** How long a drain waits for transactions and snapshots that are under way. */
  readonly drainS: number;
};

export type TransicatorConfig = {
  /** Before the paths: `` or `/transicator`. */
  readonly prefix: string;
  /** How SQLite snapshots name their tables. */
  readonly naming: TableNaming;
};

export type ServerConfig = {
  /** Name or address to bind. Anything but loopback needs tokens. */
  readonly host: string;
  /** 0 lets the system choose. */
  readonly port: number;
  /** Idle time after which a stream gets a heartbeat, unless the client asks for another. */
  readonly heartbeatS: number;
  readonly tokens: TokenSettings;
  readonly limits: ServerLimits;
  /** Routes for clients of Transicator; undefined = none. */
  readonly transicator?: TransicatorConfig | undefined;
};

const KIB = 1024;
const MIB = 1024 * KIB;

export const DEFAULT_LIMITS: ServerLimits = {
  selectorsMax: 1000,
  urlBytesMax: 64 * KIB,
  bodyBytesMax: MIB,
  digestBodyBytesMax: 8 * MIB,
  uploadBodyBytesMax: 32 * MIB,
  uploadBytesMax: 128 * MIB,
  uploadsMax: 4,
  uploadsPerUserMax: 8,
  uploadBufferBytesMax: 256 * MIB,
  requestS: 30,
  connectionsMax: 12_000,
  streamsMax: 10_000,
  stallS: 30,
  stalledBytesMax: 64 * MIB,
  snapshotsMax: 2,
  digestsMax: 2,
  queueMax: 200,
  queueS: 60,
  waitsMax: 1000,
  drainS: 10,
};

export const NO_TOKENS: TokenSettings = {
  secrets: [],
  jwksFile: undefined,
  jwksUrl: undefined,
  issuer: undefined,
  audience: undefined,
  clockToleranceS: 5,
};

/** True when clients must show a token. */
export function needsTokens(tokens: TokenSettings): boolean {
  return tokens.secrets.length > 0 || tokens.jwksFile !== undefined || tokens.jwksUrl !== undefined;
}
