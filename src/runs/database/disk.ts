/** No SQLite file is opened over a network: its locks and its shared memory do not work there. */
import { existsSync, readFileSync, statfsSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { TidelockError } from '../../core/errors.ts';

/** Names of file systems over a network by their magic number. */
const NETWORK: ReadonlyMap<number, string> = new Map([
  ...([[0x6969, 'nfs'] as const, [0x517b, 'smb'], [0xff534d42, 'cifs']] as const),
  ...([[0xfe534d42, 'smb2'] as const, [0x01021997, '9p'], [0x564c, 'ncp']] as const),
  ...([[0x5346414f, 'afs'] as const, [0x73757245, 'coda'], [0x00c36400, 'ceph']] as const),
  ...([[0x0bd00bd0, 'lustre'] as const, [0x47504653, 'gpfs'], [0x786f4256, 'vboxsf']] as const),
]);
const FUSE = 0x65735546;
/** Of what runs over FUSE, these keep files on a disk of this machine. */
const LOCAL_FUSE: ReadonlySet<string> = new Set([
  ...['fuseblk', 'fuse.fuse-overlayfs', 'fuse.unionfs', 'fuse.mergerfs', 'fuse.gocryptfs'],
]);
const MOUNTS = '/proc/self/mounts';

/** The name of the network file system that `path` is (or would be) on; null: a local disk. */
export type NetworkDiskOf = (path: string) => string | null;

/** Asks the system. */
export const networkDiskOf: NetworkDiskOf = (path) => {
  const present = firstPresent(resolve(path));
  const { type } = statfsSync(present);
  const magic = Number(type) >>> 0;
  const known = NETWORK.get(magic);
  if (known !== undefined) return known;
  if (magic !== FUSE) return null;
  const name = mountType(present);
  return LOCAL_FUSE.has(name) ? null : name;
};

/** Throws `NETWORK_DISK`. */
export function requireLocalDisk(path: string, diskOf: NetworkDiskOf, remedy: string): void {
  const network = diskOf(path);
  if (network === null) return;
  throw new TidelockError({
    code: 'NETWORK_DISK',
    message: `${path} is on a network file system (${network}): no SQLite file is opened there`,
    hint: remedy,
  });
}

function firstPresent(path: string): string {
  let present = path;
  while (!existsSync(present) && present !== dirname(present)) present = dirname(present);
  return present;
}

/** The type of the mount that has the path: the one with the longest mount point. */
function mountType(path: string): string {
  let best = { point: '', type: 'fuse' };
  for (const line of readFileSync(MOUNTS, 'utf8').split('\n')) {
    const [, point = '', type = ''] = line.split(' ');
    const isAbove = path === point || path.startsWith(point.endsWith('/') ? point : `${point}/`);
    if (isAbove && point.length >= best.point.length) best = { point, type };
  }
  return best.type;
}
