import { describe, expect, test } from 'vitest';
import { factLines } from '../../../src/cli/demo-transcript.ts';
import { ProgressLine } from '../../../src/cli/progress-line.ts';

function screen(isTTY: boolean) {
  const written: string[] = [];
  const output = { isTTY, columns: 20, write: (text: string) => written.push(text) };
  let now = 0;
  const progress = new ProgressLine(output, () => now);
  const later = (ms: number): void => {
    now += ms;
  };
  return { written, progress, later };
}

describe('progress', () => {
  test('renews one line of a terminal, not too often, and fits into it', () => {
    const { written, progress, later } = screen(true);
    progress.show('loading: 1 of 9');
    progress.show('loading: 2 of 9');
    later(100);
    progress.show('loading: 3 of 9 and some more');
    progress.clear();
    progress.clear();
    expect(written.map((text) => text.replace('\r\u001b[K', '|'))).toEqual([
      '|loading: 1 of 9',
      '|loading: 3 of 9 and',
      '|',
    ]);
  });

  test('is a line per phase elsewhere, without what only a watcher wants', () => {
    const { written, progress } = screen(false);
    progress.show('loading: 1 of 9');
    progress.show('loading: 2 of 9');
    progress.show('writing: 1 of 9');
    progress.passing('FR: 1 change');
    progress.clear();
    expect(written).toEqual(['loading\n', 'writing\n']);
  });
});

describe('the transcript', () => {
  test('shows a fault by what was seen of it', () => {
    const kill = {
      planned: { id: '2', atMs: 0, fault: 'kill-receiver', target: 'IT', holdMs: 1 },
      effects: ['process 12 is gone; it had told of 0/3F', 'life 2 resumed at 0/3F'],
      ...{ isHealed: true, ms: 1207, why: null },
    } as const;
    expect(factLines({ kind: 'fault', fault: kill })).toEqual([
      'kill -9    replica IT: process 12 is gone; it had told of 0/3F; life 2 resumed at 0/3F; as before after 1,207 ms',
    ]);
    expect(factLines({ kind: 'fault', fault: { ...kill, effects: [] } })).toEqual([
      'kill -9    NOT EXERCISED',
    ]);
  });
});
