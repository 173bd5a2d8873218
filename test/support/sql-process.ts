/** A service of SQL in a process of its own, which a test kills in the middle of a read. */
import { parseArgs } from 'node:util';
import { systemClock } from '../../src/engine/clock.ts';
import { SqlService } from '../../src/engine/sql/service.ts';

export type SqlProcessSettings = {
  /** Null: in memory. */
  readonly dir: string | null;
  readonly setUp: readonly string[];
  readonly read: string;
};

export type SqlProcessNews =
  /** The read has begun; these compute. */
  { readonly kind: 'reading'; readonly pids: readonly number[] };

const { positionals } = parseArgs({ allowPositionals: true });
// The cast trusts the test that started us.
const { dir, setUp, read } = JSON.parse(positionals[0] ?? '') as SqlProcessSettings;
process.on('disconnect', () => process.exit());
const service = await SqlService.open({
  ...{ dir, rows: null, files: 'none', clock: systemClock, random: Math.random },
  onNotice: (notice) => process.stderr.write(`${notice}\n`),
});
const session = service.open({ user: 'ada', database: 'tidelock' });
const ignore = () => undefined;
const sink = { columns: ignore, rows: ignore, complete: ignore, notice: ignore };
for (const sql of setUp) await session.run(sql, sink);
const reading = session.run(read, sink);
// Those of the first reads have started; the read has one of them.
const told = setInterval(() => {
  if (service.readerPids.length < 2) return;
  clearInterval(told);
  process.send?.({ kind: 'reading', pids: service.readerPids } satisfies SqlProcessNews);
}, 20);
await reading;
