import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { hasCode, TidelockError } from '../../src/core/errors.ts';
import type { Cell } from '../../src/core/value.ts';
import { insertChange, updateChange } from '../../src/merge/local-change.ts';
import { deadRow, merge, type RowState, UNKNOWN_ROW } from '../../src/merge/row-state.ts';
import { PgSession } from '../../src/postgres/session.ts';
import { Uploads } from '../../src/postgres/upload/uploads.ts';
import { type Change, codes, type Site, UploadWorld, values } from '../support/upload-world.ts';

let world: UploadWorld;

beforeAll(async () => {
  world = await UploadWorld.open();
});

afterAll(() => world.close());

function inserted(n: Cell): RowState {
  return insertChange(UNKNOWN_ROW, values({ title: 'a', body: null, n }));
}

const note = (id: string, n: Cell = 1): Change[] => [['note', id, inserted(n)]];

async function codeOf(answer: Promise<unknown>): Promise<string> {
  const error: unknown = await answer.then(
    () => null,
    (reason: unknown) => reason,
  );
  return error instanceof TidelockError ? error.code : `no refusal: ${String(error)}`;
}

async function count(prefix: string): Promise<number> {
  const query = 'SELECT count(*)::int AS rows FROM note WHERE id LIKE $1';
  const [row] = await world.rows<{ rows: number }>(query, [`${prefix}%`]);
  return row?.rows ?? 0;
}

async function stored(site: Site): Promise<unknown> {
  const query =
    'SELECT number::int, jsonb_array_length(rejected) AS rejected FROM tidelock.sites WHERE site = $1';
  return (await world.rows(query, [site.id]))[0];
}

describe('a batch counts once', () => {
  test('when it is delivered again, with the refusals told again until they are settled', async () => {
    const site = world.site();
    const upload = site.upload(note('twice'), note('twice-x', 'x'), note('twice-2'));
    const first = await site.apply(upload);
    expect([first.applied, codes(first.rejected)]).toEqual([2, ['2 BAD_VALUE']]);
    await world.sql.query(
      "UPDATE note SET n = 7 WHERE id = 'twice'; DELETE FROM note WHERE id = 'twice-2'",
    );
    const again = await site.apply(upload);
    expect(again).toMatchObject({ accepted: 3, applied: 0, refused: [], rejected: first.rejected });
    expect(await world.rows("SELECT n FROM note WHERE id LIKE 'twice%'")).toEqual([{ n: 7 }]);
    site.settled = 3;
    const next = await site.send(note('twice-4'));
    expect([next.accepted, next.rejected]).toEqual([4, []]);
    expect(await stored(site)).toEqual({ number: 4, rejected: 0 });
  });

  test('when it comes again with more behind it', async () => {
    const site = world.site();
    const first = site.upload(note('more-1'), note('more-2'));
    await site.apply(first);
    const second = site.upload(note('more-3'));
    const transactions = [...first.transactions, ...second.transactions];
    expect(await site.apply({ ...second, transactions })).toMatchObject({
      accepted: 3,
      applied: 1,
    });
  });

  test('P2: when the connection breaks between the commit and its answer', async () => {
    const site = world.site();
    const upload = site.upload(note('lost'), [
      ['note', 'lost', updateChange(inserted(1), values({ n: 2 })) ?? inserted(1)],
    ]);
    const breaking = new Uploads(world.url, { connect: () => breakAtCommit(world.url) });
    expect(await codeOf(breaking.apply(upload, site.writer))).toBe('SOURCE_DOWN');
    await breaking.close();
    expect(await stored(site)).toEqual({ number: 2, rejected: 0 });
    expect(await site.apply(upload)).toMatchObject({ accepted: 2, applied: 0 });
    expect(await world.versions('note', 'lost')).toEqual({ cl: 1, versions: [1, 1, 2] });
  });

  test('P2: and not at all when it breaks before', async () => {
    const site = world.site();
    const upload = site.upload(note('cut-1'), note('cut-2'));
    const breaking = new Uploads(world.url, { connect: () => breakAtCommit(world.url, 'before') });
    expect(await codeOf(breaking.apply(upload, site.writer))).toBe('SOURCE_DOWN');
    await breaking.close();
    expect([await count('cut-'), await stored(site)]).toEqual([0, undefined]);
    expect(await site.apply(upload)).toMatchObject({ accepted: 2, applied: 2 });
  });

  test('when two copies of it arrive at once', async () => {
    const site = world.site();
    const upload = site.upload(note('copies-1'), note('copies-2'));
    const outcomes = await Promise.all([1, 2, 3].map(() => site.apply(upload)));
    expect(outcomes.map(({ applied }) => applied).sort()).toEqual([0, 0, 2]);
  });
});

/** A session whose connection is cut just before or after the commit has happened. */
async function breakAtCommit(url: string, when: 'before' | 'after' = 'after'): Promise<PgSession> {
  const session = await PgSession.connect({ url, settings: { search_path: null } });
  const queryOne = session.queryOne.bind(session);
  session.queryOne = async (sql, params) => {
    if (!sql.startsWith('COMMIT')) return await queryOne(sql, params);
    if (when === 'after') await queryOne(sql, params);
    session.destroy();
    throw new TidelockError({ code: 'SOURCE_DOWN', message: 'the connection was cut' });
  };
  return session;
}

describe('a site', () => {
  test('belongs to the user who wrote first', async () => {
    const site = world.site('ann');
    await site.send(note('taken-1'));
    const upload = site.upload(note('taken-2'));
    const { writer } = world.site('eve');
    expect(await codeOf(world.uploads.apply(upload, writer))).toBe('SITE_TAKEN');
    expect(await count('taken-')).toBe(1);
  });

  test('that was copied is told so, whichever of the copies comes second', async () => {
    const site = world.site();
    await site.send(note('clone-1'));
    const before = site.number;
    const ours = site.upload(note('clone-2'), note('clone-3'));
    site.number = before;
    const theirs = site.upload(note('clone-x'), note('clone-y'));
    const shorter = { ...theirs, transactions: theirs.transactions.slice(0, 1) };
    site.number = before;
    const longer = site.upload(note('clone-x'), note('clone-y'), note('clone-z'));
    await site.apply(ours);
    for (const upload of [theirs, shorter, longer])
      expect(await codeOf(site.apply(upload))).toBe('SITE_CLONED');
    expect(await count('clone-')).toBe(3);
  });

  test('is one of a limited number for each user, also when several are new at once; those that are known go on', async () => {
    const uploads = new Uploads(world.url, { sitesPerUserMax: 3 });
    onTestFinished(() => uploads.close());
    const first = world.site('many');
    const apply = (site: Site, name: string): Promise<string> =>
      codeOf(uploads.apply(site.upload(note(name)), site.writer));
    expect(await apply(first, 'many-0')).toContain('no refusal');
    const others = await Promise.all(
      [1, 2, 3, 4].map((turn) => apply(world.site('many'), `many-${turn}`)),
    );
    expect(others.filter((code) => code === 'SITES_FULL')).toHaveLength(2);
    expect(await count('many-')).toBe(3);
    expect(await apply(first, 'many-5')).toContain('no refusal');
    expect(await apply(world.site('other'), 'many-6')).toContain('no refusal');
    expect(await apply(world.site(''), 'many-7')).toContain('no refusal');
    await world.sql.query('DELETE FROM tidelock.sites WHERE userid = $1 AND site <> $2', [
      'many',
      first.id,
    ]);
    expect(await apply(world.site('many'), 'many-8')).toContain('no refusal');
  });

  test('that leaves transactions out is told so', async () => {
    const site = world.site();
    await site.send(note('gap-1'));
    site.number += 1;
    expect(await codeOf(site.send(note('gap-3')))).toBe('UPLOAD_GAP');
    expect(await count('gap-')).toBe(1);
  });

  test('may ask where it stands, without a transaction', async () => {
    const site = world.site();
    await site.send(note('ask-1'), note('ask-2', 'x'));
    const asked = await site.send();
    expect([asked.accepted, asked.applied, codes(asked.rejected)]).toEqual([2, 0, ['2 BAD_VALUE']]);
  });

  test('whose base is older than collected deletes is to be refreshed first', async () => {
    const site = world.site();
    await world.sql.query("INSERT INTO tidelock.horizon(timeline, position) VALUES ('t', '0/10')");
    try {
      expect(await codeOf(site.send(note('horizon')))).toBe('RESYNC_FIRST');
    } finally {
      await world.sql.query('DELETE FROM tidelock.horizon');
    }
    site.number = 0;
    expect(await site.send(note('horizon'))).toMatchObject({ accepted: 1 });
  });
});

describe('limits', () => {
  test('an upload with more refusals than an answer may hold is taken in parts', async () => {
    const site = world.site();
    const bytes = new Uint8Array([1]); // no column of numbers holds them: refused before Postgres is asked
    const transactions = Array.from({ length: 1200 }, (_, index) => note(`limit-${index}`, bytes));
    const upload = site.upload(...transactions, note('limit-last'));
    const first = await site.apply(upload);
    expect([first.accepted, first.rejected.length]).toEqual([1000, 1000]);
    site.settled = first.accepted;
    const head = { ...upload.head, settled: first.accepted };
    const rest = await site.apply({ ...upload, head });
    expect([rest.accepted, rest.rejected.length, rest.applied]).toEqual([1201, 200, 1]);
  });

  test('an upload that Postgres refuses row by row is taken in parts too, and comes to its end', async () => {
    const site = world.site('ann', new Set(['user:ann']));
    const forged = insertChange(UNKNOWN_ROW, values({ owner: 'bob', title: 'x' }));
    const upload = site.upload(
      ...Array.from({ length: 260 }, (_, index): Change[] => [['doc', `forged-${index}`, forged]]),
    );
    const outcomes = [0];
    while ((outcomes.at(-1) ?? 0) < 260) {
      const { accepted } = await site.apply(upload);
      expect(accepted, 'each part brings it further').toBeGreaterThan(outcomes.at(-1) ?? 0);
      outcomes.push(accepted);
    }
    expect([outcomes.length > 2, outcomes.at(-1)]).toEqual([true, 260]);
    expect(await world.rows('SELECT FROM doc')).toEqual([]);
  });

  test('an upload into a slow table is taken in parts, so that others need not wait for all of it', async () => {
    // Time is the subject: the work itself is slow, as with triggers of an application. Nobody waits for it to pass.
    await world.sql.query(`CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS
      $$ BEGIN PERFORM pg_catalog.pg_sleep(0.5); RETURN NEW; END $$;
      CREATE TRIGGER slow BEFORE INSERT OR UPDATE ON note FOR EACH ROW EXECUTE FUNCTION slow()`);
    const site = world.site();
    let state = inserted(0);
    const changes: Change[] = [['note', 'slow', state]];
    for (let n = 1; n < 10; n += 1) {
      const change = updateChange(state, values({ n })) ?? state;
      state = merge(state, change);
      changes.push(['note', 'slow', change]);
    }
    const upload = site.upload(...changes.map((change) => [change]));
    const { accepted } = await site.apply(upload);
    await world.sql.query('DROP TRIGGER slow ON note');
    expect(accepted).toBeGreaterThan(0);
    expect(accepted).toBeLessThan(10);
    expect((await site.apply(upload)).accepted).toBe(10);
    expect(await world.rows("SELECT n FROM note WHERE id = 'slow'")).toEqual([{ n: 9 }]);
  });

  test('a site of which nothing is known may delete and update what is not there', async () => {
    const sent = await world
      .site()
      .send([['note', 'never', deadRow(2)]], [['note', 'never', deadRow(4)]]);
    expect(sent.rejected).toEqual([]);
    expect(await world.versions('note', 'never')).toEqual({ cl: 0, versions: null });
  });
});

test('where nothing is two-way an upload says so', async () => {
  const name = `plain_${world.url.slice(-8)}`;
  await world.sql.query(`CREATE DATABASE ${name}`);
  const url = new URL(world.url);
  url.pathname = `/${name}`;
  const uploads = new Uploads(url.href);
  const site = world.site();
  const refusal = await uploads
    .apply(site.upload(note('x')), site.writer)
    .catch((error: unknown) => error);
  await uploads.close();
  expect(hasCode(refusal, 'BAD_REQUEST') && refusal.hint).toContain('twoway enable');
});
