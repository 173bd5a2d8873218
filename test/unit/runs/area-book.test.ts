/** A run has one target: what stands for several is refused, with the targets to start runs for. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { openAreaBook } from '../../../src/runs/area-book.ts';

test('a text that stands for several targets is refused, and the hint names each', async () => {
  const home = mkdtempSync(join(tmpdir(), 'tidelock-book-'));
  onTestFinished(() => rmSync(home, { recursive: true }));
  writeFileSync(join(home, 'area.config'), '[fields]\nOS TEXT\nSIZE TEXT\n');
  writeFileSync(join(home, 'runconfigs.config'), '[default]\nLEVEL 1\n');
  const book = await openAreaBook(home, {});
  const refused = (text: string, targets: readonly string[]) =>
    expect(book.target(text, {})).rejects.toMatchObject({
      code: 'BAD_REQUEST',
      message: `${text} stands for ${targets.length} targets`,
      hint: `a run has one target; start one for each: ${targets.map((target) => `--target ${target}`).join(', ')}`,
    });
  await refused('a/b,c/d', ['a/b', 'c/d']);
  await refused('a,b/c,d', ['a/c', 'a/d', 'b/c', 'b/d']);
  expect((await book.target('a/b', {})).layers.runConfigs).toEqual({ LEVEL: '1' });
});
