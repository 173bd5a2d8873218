/**
 * An area's run database on its home host: found or made, filled from the durable one when the local file is gone,
 * and synced by whichever process holds the lease.
 *
 * Every process that writes opens it like this, so whoever dies is replaced by any other.
 */
import { statSync } from 'node:fs';
import { hasCode, TidelockError } from '../../core/errors.ts';
import type { DurableStore } from '../../planner/run-durable.ts';
import { DurableFile } from '../../sqlite/runs/durable-file.ts';
import { fillRunFile, isFilled } from '../../sqlite/runs/run-fill.ts';
import { openRunStore, type SqliteRunStore } from '../../sqlite/runs/run-store.ts';
import {
  type HostIdentity,
  hostIdentity,
  pidStartOf,
  requireProcesses,
} from '../processes/host.ts';
import { type NetworkDiskOf, networkDiskOf, requireLocalDisk } from './disk.ts';
import { isStillShared, removeDeadFolders, sharedPlace } from './local-folder.ts';
import { type AreaPlace, homeHost, placeOf } from './place.ts';
import { Syncer } from './syncer.ts';

export type HomeOptions = {
  /** The area's directory. */
  readonly area: string;
  /** Local temp storage. */
  readonly tempDir: string;
  /** A path, or `postgres://..`; undefined: a file in the area. */
  readonly durable?: string | undefined;
  /** Plays another host on this machine. */
  readonly hostId?: string | undefined;
  /** The area's home as configured; undefined: its file says, or this host is it from now on. */
  readonly home?: string | undefined;
  /** Imported areas: a status is any text. */
  readonly acceptsAnyStatus?: boolean | undefined;
  readonly now?: (() => number) | undefined;
  readonly random?: (() => number) | undefined;
  /** The local database was removed or replaced under us. */
  readonly onLost?: ((error: TidelockError) => void) | undefined;
  /** For tests: a machine that starts again, a disk that is a network's. */
  readonly bootId?: string | undefined;
  readonly networkDiskOf?: NetworkDiskOf | undefined;
  /** Opens a durable database that is no file. */
  readonly openDurable?: ((url: string, area: string) => Promise<DurableStore>) | undefined;
};

/** The database without its syncer. */
export type LocalRuns = {
  readonly place: AreaPlace;
  readonly identity: HostIdentity;
  readonly store: SqliteRunStore;
  readonly durable: DurableStore;
  readonly owner: string;
  readonly close: () => Promise<void>;
};

export type Home = LocalRuns & { readonly syncer: Syncer };

/** How long an opener waits for the syncer of a lost database to lose its lease. */
const FILL_LEASE_MS = 10_000;
const FILL_WAIT_MS_MAX = 15_000;
const LOOK_MS = 100;

const DURABLE_REMEDY =
  'name a path on a local disk of the home host or a Postgres: --durable postgres://user@host/db';

export type HomePlace = {
  readonly identity: HostIdentity;
  readonly place: AreaPlace;
  readonly home: string;
};

/** Where things are, without opening any. */
export function findHome(options: HomeOptions): HomePlace {
  const own = hostIdentity(options.hostId);
  const identity = { ...own, bootId: options.bootId ?? own.bootId };
  const place = placeOf({ area: options.area, tempDir: options.tempDir, identity });
  return { identity, place, home: homeHost(place, identity.host, options.home) };
}

/** Opens the database and syncs it, or waits to. Throws `OFF_HOME`, `NETWORK_DISK`, `DURABLE_DOWN`, `RUNS_UNUSABLE`, `BUSY`. */
export async function openHome(options: HomeOptions): Promise<Home> {
  return startSync(await openLocal(options), options);
}

/** Throws the same. */
export async function openLocal(options: HomeOptions): Promise<LocalRuns> {
  requireProcesses();
  const { identity, place: own, home } = findHome(options);
  if (home !== identity.host) throw offHome(own, home, identity.host);
  const diskOf = options.networkDiskOf ?? networkDiskOf;
  requireLocalDisk(own.localDir, diskOf, 'set TMPDIR to a folder on a local disk');
  const place = sharedPlace(own, identity.host);
  const { durable, area } = await openDurable(options, place);
  const now = options.now ?? Date.now;
  const owner = ownerOf(identity.host, options.random ?? Math.random);
  await patiently(now, () => fill({ place, area, durable, owner, now, host: identity.host }));
  removeDeadFolders(place, now());
  const { acceptsAnyStatus } = options;
  const store = openRunStore({ file: place.localFile, area, now, acceptsAnyStatus });
  const close = once(async () => {
    store.close();
    await durable.close();
  });
  return { place, identity, store, durable, owner, close };
}

/** The syncer of an opened database. */
export function startSync(local: LocalRuns, options: HomeOptions): Home {
  const { store, durable, owner } = local;
  const file = local.place.localFile;
  const inode = statSync(file).ino;
  const syncer = new Syncer({
    ...{ store, durable, owner, now: options.now ?? Date.now },
    random: options.random ?? Math.random,
    onLost: options.onLost ?? (() => undefined),
    isGone: (name) => isOwnerGone(local.identity.host, name),
    isPresent: () =>
      statSync(file, { throwIfNoEntry: false })?.ino === inode && isStillShared(local.place),
  });
  const close = once(async () => {
    await syncer.stop();
    await local.close();
  });
  return { ...local, syncer, close };
}

function once(work: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> | null = null;
  return () => {
    running ??= work();
    return running;
  };
}

/** Of another host nothing is known but its lease. */
function isOwnerGone(host: string, owner: string): boolean {
  const [, name, pid, pidStart] = /^(.*):(\d+):(\d*):[^:]*$/.exec(owner) ?? [];
  return name === host && pidStartOf(Number(pid)) !== pidStart;
}

/** One process may open several databases. */
function ownerOf(host: string, random: () => number): string {
  const nonce = Math.floor(random() * 36 ** 6).toString(36);
  return `${host}:${process.pid}:${pidStartOf(process.pid)}:${nonce}`;
}

type OpenedDurable = {
  readonly durable: DurableStore;
  /** What rows are filed under: an area that was moved with its file keeps its first name. */
  readonly area: string;
};

async function openDurable(options: HomeOptions, place: AreaPlace): Promise<OpenedDurable> {
  const { durable } = options;
  if (durable !== undefined && /^postgres(ql)?:/.test(durable)) {
    const { openDurable: open } = options;
    if (open === undefined) throw new RangeError('nobody opens durable databases in a Postgres');
    return { durable: await open(durable, place.area), area: place.area };
  }
  const file = durable ?? place.durableFile;
  requireLocalDisk(file, options.networkDiskOf ?? networkDiskOf, DURABLE_REMEDY);
  const opened = new DurableFile(file);
  const now = options.now ?? Date.now;
  const area = await patiently(now, () => opened.areaOf(place.area));
  if (area !== place.area && file !== place.durableFile) throw ofAnotherArea(file, area);
  return { durable: opened, area };
}

function ofAnotherArea(file: string, area: string): TidelockError {
  return new TidelockError({
    code: 'RUNS_UNUSABLE',
    message: `${file} is the durable run database of ${area}`,
    hint: 'give each area a file of its own; without --durable it is in the area',
  });
}

/** Many processes that start at once wait for each other's locks: what may pass is tried again. */
async function patiently<T>(now: () => number, work: () => Promise<T>): Promise<T> {
  const deadline = now() + FILL_WAIT_MS_MAX;
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (!isPassing(error) || now() > deadline) throw error;
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
  }
}

type Filling = {
  readonly place: AreaPlace;
  readonly area: string;
  readonly durable: DurableStore;
  readonly owner: string;
  readonly host: string;
  readonly now: () => number;
};

/** While it is filled nobody may sync: a syncer of the lost file is waited for until its lease ends. */
async function fill({ place, area, durable, owner, now, host }: Filling): Promise<void> {
  const deadline = now() + FILL_WAIT_MS_MAX;
  const filler = `${owner}-fill`;
  let gone: string | undefined;
  while (!isFilled(place.localFile)) {
    const lease = await durable.lease({ owner: filler, now: now(), ms: FILL_LEASE_MS, gone });
    if (lease.isOurs) {
      await fillRunFile(place.localFile, { area, durable });
      await durable.release(filler);
      return;
    }
    gone = isOwnerGone(host, lease.owner) ? lease.owner : undefined;
    if (now() > deadline) throw notFilled(lease.owner);
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}

function notFilled(owner: string): TidelockError {
  return new TidelockError({
    code: 'SYNC_TAKEN',
    message: `${owner} still syncs another local database of this area`,
    hint: 'end that process; it may run on a host with the same name',
  });
}

function offHome(place: AreaPlace, home: string, host: string): TidelockError {
  return new TidelockError({
    code: 'OFF_HOME',
    message: `${home} is the home of ${place.area}, and this host is ${host}`,
    hint: `start \`tidelock runs serve\` on ${home}; or, when ${home} is gone for good, write ${host} into ${place.homeFile}`,
  });
}

/** True when waiting may help. */
function isPassing(error: unknown): boolean {
  return hasCode(error, 'DURABLE_DOWN') || hasCode(error, 'BUSY');
}
