/** Areas that a test writes down: testconfigs by name. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';

const AREA = '[fields]\nSYSTEM TEXT\n\n[setup]\nmax_concurrent_jobs 8\n';

/** The folder of the area; removed at the end of the test. */
export function writtenArea(
  tests: Readonly<Record<string, string>>,
  files: Readonly<Record<string, string>> = {},
): string {
  const home = mkdtempSync(join(tmpdir(), 'tidelock-area-'));
  onTestFinished(() => rmSync(home, { recursive: true, force: true, maxRetries: 5 }));
  writeArea(home, tests, files);
  return home;
}

/** The same in a folder of the caller's. */
export function writeArea(
  home: string,
  tests: Readonly<Record<string, string>>,
  files: Readonly<Record<string, string>> = {},
): void {
  const configs = Object.entries(tests).map(([name, text]) => [`tests/${name}/testconfig`, text]);
  const all: Record<string, string> = {
    'area.config': AREA,
    ...Object.fromEntries(configs),
    ...files,
  };
  for (const [path, text] of Object.entries(all)) {
    mkdirSync(join(home, path, '..'), { recursive: true });
    writeFileSync(join(home, path), text, { mode: 0o755 });
  }
}
