import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe } from 'vitest';
import { openLogStore } from '../../../src/sqlite/log-store.ts';
import { conformMerging } from '../log/log-merge-conformance.ts';
import { conformLogStore } from '../log/log-store-conformance.ts';

function aStore() {
  const dir = mkdtempSync(join(tmpdir(), 'tidelock-log-'));
  return {
    open: () => openLogStore({ dir }),
    destroy: () => rmSync(dir, { recursive: true, force: true }),
  };
}

describe('the SQLite log store keeps every rule of the port', () => {
  conformLogStore(aStore);
  conformMerging(aStore);
});
