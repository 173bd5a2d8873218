/** kill -9 between any two steps of a replica that writes; then nothing is lost, and nothing is done twice. */
import { expect, test } from 'vitest';
import { UPLOAD_CRASH_POINTS } from '../../src/client/crash-points.ts';
import { Child } from '../support/child.ts';
import { until } from '../support/stack.ts';
import { TwowayBed } from '../support/twoway-bed.ts';
import type { TwowayNews, TwowaySettings } from '../support/twoway-process.ts';

const PROCESS = new URL('../support/twoway-process.ts', import.meta.url);
const POINTS = [
  ...UPLOAD_CRASH_POINTS,
  'apply: before begin',
  'apply: before commit',
  'apply: after commit',
];

function start(bed: TwowayBed, settings: Partial<TwowaySettings> = {}): Child<TwowayNews> {
  return new Child<TwowayNews>(PROCESS, {
    ...{ server: bed.stack.server, file: bed.stack.file('child'), ...settings },
  } satisfies TwowaySettings);
}

/** A point is met within so many writes. */
const TURNS_MAX = 5;

const isOver = (child: Child<TwowayNews>): boolean =>
  !child.isAlive || child.news.some(({ kind }) => kind === 'synced');

const writeOf = (id: string): string =>
  `INSERT INTO note (id, title) VALUES ('${id}', 'made'); UPDATE note SET n = 1 WHERE id = '${id}'`;

test('P2 P9 P19: killed at every step on the way of a write, it is in the file, and in Postgres once', async () => {
  const bed = await TwowayBed.open();
  const written: string[] = [];
  for (const [index, point] of POINTS.entries()) {
    const child = start(bed);
    await child.first('ready');
    child.tell({ point, hit: 1 + (index % 2) });
    for (let turn = 0; turn < TURNS_MAX && child.isAlive; turn += 1) {
      const id = `${point} ${turn}`;
      child.news.length = 0;
      child.tell({ write: writeOf(id) });
      child.tell({ sync: true });
      await until(`${id} is synchronised, or the process is dead`, () => isOver(child));
      if (bed.notes('child').some((note) => note.id === id)) written.push(id);
    }
    expect(await child.ended(), point).toMatchObject({ signal: 'SIGKILL', errors: '' });
  }
  const child = start(bed);
  await child.first('ready');
  child.tell({ sync: true });
  await child.first('synced');
  await child.kill();
  const notes = await bed.converge('child');
  expect(notes.map(({ id }) => id)).toEqual(expect.arrayContaining(written));
  expect(written.length).toBeGreaterThanOrEqual(POINTS.length);
  const { rows } = await bed.stack.sql.query<{ id: string; n: string }>(
    `SELECT id, count(*) AS n FROM note_audit WHERE op = 'INSERT' GROUP BY id`,
  );
  expect(rows.filter(({ n }) => n !== '1')).toEqual([]);
  expect(rows).toHaveLength(notes.length);
});
