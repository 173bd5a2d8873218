/** `npm run build`: the dashboard's files into dist/, from where a package serves them. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundleDashboard } from '../src/server/dashboard/bundle.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const target = join(root, 'dist', 'dashboard');
// Names carry hashes: those of the last build would stay.
rmSync(target, { recursive: true, force: true });
mkdirSync(target, { recursive: true });
for (const [name, body] of await bundleDashboard(join(root, 'src', 'dashboard'))) {
  writeFileSync(join(target, name), body);
}
