/** What one client, and all of them together, may take. Clients may be hostile. */
export type WireLimits = {
  /** Sockets, with or without a session. */
  readonly connectionsMax: number;
  /** From the first byte to the end of authentication. */
  readonly startupMs: number;
  /** One message of a client that has shown who it is. */
  readonly messageBytesMax: number;
  /** What the messages above 64 KiB of all clients may hold at the same time. */
  readonly largeBytesMax: number;
  /** Texts of prepared statements, and values bound to portals, of one connection. */
  readonly preparedBytesMax: number;
  readonly statementsMax: number;
  readonly portalsMax: number;
  /** Rows that a portal with a row limit keeps before it holds back who makes them. */
  readonly keptRowsMax: number;
  /** Unsent bytes above which whoever makes rows is held back. */
  readonly unsentBytesMax: number;
  /** A client that takes nothing for so long, while rows wait for it, is dropped. */
  readonly stallMs: number;
};

const KIB = 1024;
const MIB = 1024 * KIB;

export const DEFAULT_WIRE_LIMITS: WireLimits = {
  connectionsMax: 200,
  startupMs: 10_000,
  messageBytesMax: 16 * MIB,
  largeBytesMax: 64 * MIB,
  preparedBytesMax: 16 * MIB,
  statementsMax: 1000,
  portalsMax: 1000,
  keptRowsMax: 100_000,
  unsentBytesMax: 256 * KIB,
  stallMs: 120_000,
};

/** A start-up packet, and a password: what a stranger may send. The first is PostgreSQL's own limit. */
export const STARTUP_BYTES_MAX = 10_000;
export const PASSWORD_BYTES_MAX = 32 * KIB;
/** Above this a message counts against `largeBytesMax`; so much is read ahead. */
export const READ_AHEAD_BYTES = 64 * KIB;
