/** The settings as the parts of the server want them. */
import { join, resolve } from 'node:path';
import { parseSelectorRule } from '../core/selector.ts';
import type { EngineOptions } from '../engine/engine.ts';
import { timerClock } from '../lockstep/clock.ts';
import type { RowStreamsOptions } from '../lockstep/row-streams.ts';
import { fullName } from '../postgres/catalog.ts';
import type { TableDeclaration } from '../postgres/table-fitness.ts';
import type { ServerConfig } from '../server/config.ts';
import type { Settings } from './config.ts';

export function serverConfigOf(settings: Settings): ServerConfig {
  const { host, port, heartbeatS } = settings;
  return {
    ...{ host, port, heartbeatS },
    tokens: {
      secrets: settings.tokenSecrets,
      jwksFile: settings.tokenJwksFile,
      jwksUrl: settings.tokenJwksUrl,
      issuer: settings.tokenIssuer,
      audience: settings.tokenAudience,
      clockToleranceS: settings.tokenClockToleranceS,
    },
    transicator: settings.transicator
      ? { prefix: settings.transicatorPrefix, naming: settings.transicatorNaming }
      : undefined,
    limits: {
      selectorsMax: settings.selectorsMax,
      urlBytesMax: settings.urlBytesMax,
      bodyBytesMax: settings.bodyBytesMax,
      digestBodyBytesMax: settings.digestBodyBytesMax,
      uploadBodyBytesMax: settings.uploadBodyBytesMax,
      uploadBytesMax: settings.uploadBytesMax,
      uploadsMax: settings.uploadsMax,
      uploadsPerUserMax: settings.uploadsPerUserMax,
      uploadBufferBytesMax: settings.uploadBufferBytesMax,
      requestS: settings.requestS,
      connectionsMax: settings.connectionsMax,
      streamsMax: settings.streamsMax,
      stallS: settings.stallS,
      stalledBytesMax: settings.stalledBytesMax,
      snapshotsMax: settings.snapshotsMax,
      digestsMax: settings.digestsMax,
      queueMax: settings.queueMax,
      queueS: settings.queueS,
      waitsMax: settings.waitsMax,
      drainS: settings.drainS,
    },
  };
}

/** `url` is that of the source, embedded or not. */
export function rowStreamsOptionsOf(settings: Settings, url: string): RowStreamsOptions {
  const { lockstepRelations: relations } = settings;
  return {
    ...{ url, clock: timerClock },
    allowed: relations.length === 0 ? null : relations.map(fullName),
    pollMs: settings.lockstepPollMs,
    wakeMs: settings.lockstepWakeMs,
    copiesMax: settings.lockstepCopiesMax,
  };
}

/** `url` is that of the source, embedded or not. */
export function engineOptionsOf(settings: Settings, url: string): EngineOptions {
  const { slot, publication, keepS, logBytesMax, leaseS, tailBytesMax, streamsMax } = settings;
  return {
    ...{ url, slot, publication, tailBytesMax },
    dir: dataDirOf(settings),
    tables: declarationsOf(settings),
    replicaIdentity: replicaIdentityOf(settings),
    keepsOldRows: settings.transicator,
    policy: { keepS, logBytesMax, leaseS, subscribersMax: streamsMax },
    snapshotWaitMsMax: settings.snapshotWaitS * 1000,
    sitesPerUserMax: settings.sitesPerUserMax,
  };
}

/** Clients of Transicator need the old row of every change. */
export function replicaIdentityOf({ replicaIdentity, transicator }: Settings): 'full' | 'leave' {
  return replicaIdentity ?? (transicator ? 'full' : 'leave');
}

export function declarationsOf({ tables }: Settings): readonly TableDeclaration[] {
  return tables.map(({ name, selector }) => ({ name, selector: parseSelectorRule(selector) }));
}

/** Where the log lives: as set, or in the embedded folder, or in ./tidelock-data. */
export function dataDirOf({ data, embedded }: Settings): string {
  if (data !== undefined) return resolve(data);
  return embedded === undefined ? resolve('tidelock-data') : join(resolve(embedded), 'tidelock');
}
