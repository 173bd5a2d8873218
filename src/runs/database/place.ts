/** Where the files of an area's run database are, and which host is its home. */
import { createHash } from 'node:crypto';
import {
  existsSync,
  linkSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { userInfo } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { TidelockError } from '../../core/errors.ts';
import type { HostIdentity } from '../processes/host.ts';

/** In the area: who is home, who leads, and unless configured otherwise the durable database. */
const STATE_DIR = '.tidelock';
const HASH_DIGITS = 12;

export type AreaPlace = {
  /** Absolute path of the area, without links: every path to it is one area. */
  readonly area: string;
  readonly stateDir: string;
  readonly homeFile: string;
  readonly discoveryFile: string;
  /** Says which local folder the processes of the home host share. */
  readonly localNote: string;
  /** The durable database when nothing else is configured. */
  readonly durableFile: string;
  /** The fast database: by user, area, host and boot, so a file of another boot is never opened. */
  readonly localFile: string;
  readonly localDir: string;
  /** The replica, on hosts that are not the home; good for any boot. */
  readonly replicaDir: string;
  /** What this user has in temp storage. */
  readonly userDir: string;
};

export function placeOf(options: {
  readonly area: string;
  readonly tempDir: string;
  readonly identity: HostIdentity;
}): AreaPlace {
  const { tempDir, identity } = options;
  const area = existsSync(options.area) ? realpathSync(options.area) : resolve(options.area);
  const stateDir = join(area, STATE_DIR);
  const hash = digest(`${area}\n${identity.host}`);
  const userDir = join(tempDir, `tidelock-runs-${userInfo().uid}`);
  const areaDir = join(userDir, `${basename(area)}-${hash}`);
  const localDir = join(areaDir, digest(identity.bootId));
  return {
    ...{ area, stateDir, localDir, userDir, replicaDir: join(areaDir, 'replica') },
    homeFile: join(stateDir, 'home'),
    discoveryFile: join(stateDir, 'server.json'),
    localNote: join(stateDir, 'local.json'),
    durableFile: join(stateDir, 'runs.db'),
    localFile: join(localDir, 'runs.db'),
  };
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, HASH_DIGITS);
}

/** The area's home: as configured, else as the area's file says, else this host from now on. */
export function homeHost(place: AreaPlace, host: string, configured?: string): string {
  if (configured !== undefined && configured !== '') return configured;
  const known = readHome(place);
  if (known !== null) return known;
  mkdirSync(place.stateDir, { recursive: true });
  const draft = `${place.homeFile}.${host}.${process.pid}`;
  writeFileSync(draft, `${host}\n`);
  try {
    linkSync(draft, place.homeFile); // the first one wins, and nobody reads half of it
    return host;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return readHome(place) ?? host;
    renameSync(draft, place.homeFile); // a disk without links
    return host;
  } finally {
    rmSync(draft, { force: true });
  }
}

/** Null: there is none. Throws `RUNS_UNUSABLE` when the file names nobody. */
function readHome({ homeFile }: AreaPlace): string | null {
  if (!existsSync(homeFile)) return null;
  const host = readFileSync(homeFile, 'utf8').trim();
  if (host !== '') return host;
  throw new TidelockError({
    code: 'RUNS_UNUSABLE',
    message: `${homeFile} is empty: nobody knows which host is the home of the area`,
    hint: 'write the name of its home host into it, or remove it to start the area here',
  });
}
