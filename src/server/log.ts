import Fastify, { type FastifyBaseLogger } from 'fastify';

export type Log = FastifyBaseLogger;
export type LogLevel = 'fatal' | 'error' | 'warn' | 'info' | 'debug' | 'trace' | 'silent';

/** One JSON line per event, by the logger that Fastify brings. `write` gets each line with its line feed. */
export function createLog(level: LogLevel, write: (line: string) => void): Log {
  return Fastify({ logger: { level, stream: { write }, base: null } }).log;
}
