/** The package that this program is part of: a clone, or installed. */
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const PACKAGE_FOLDER = join(dirname(fileURLToPath(import.meta.url)), '..', '..');

/** The file that starts this program. */
export const PROGRAM = join(PACKAGE_FOLDER, 'bin', 'tidelock');

export function packageVersion(): string {
  const text = readFileSync(join(PACKAGE_FOLDER, 'package.json'), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}
