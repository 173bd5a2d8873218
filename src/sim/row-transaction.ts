/** A REPEATABLE READ transaction on the simulated Postgres: rows of one moment, read slowly. */
import { TidelockError } from '../core/errors.ts';
import type { WantedSelectors } from '../core/selector.ts';
import type { TableDef } from '../core/table.ts';
import type { RowTransaction } from '../engine/exact-snapshot.ts';
import type { Chance } from './chance.ts';
import type { SimPostgres } from './postgres.ts';
import type { Life, Scheduler } from './scheduler.ts';
import { cellsOf, selectorOf } from './tables.ts';

export type RowContext = {
  readonly postgres: SimPostgres;
  readonly scheduler: Scheduler;
  readonly chance: Chance;
  readonly life: Life;
};

const CHUNK_ROWS = 20;
const OPEN_MS_MAX = 30;
const CHUNK_MS_MAX = 25;

/** Rejects with `SOURCE_DOWN` while Postgres does not run. */
export async function openRows(context: RowContext): Promise<RowTransaction> {
  await pause(context, OPEN_MS_MAX);
  const { postgres } = context;
  requireUp(postgres, postgres.serverStart);
  const { snapshot, rows } = postgres.snapshot();
  const { serverStart, walEnd } = postgres;
  postgres.copies += 1;
  let isOpen = true;
  const { xmin, xmax, xips } = snapshot;
  return {
    snapshot,
    text: `${xmin}:${xmax}:${[...xips].join(',')}`,
    insertLsn: walEnd,
    serverStart,
    beganAt: async () => '',
    rows: (table, selectors) => chunks({ context, serverStart }, table, { rows, selectors }),
    close: async () => {
      if (isOpen && postgres.serverStart === serverStart) postgres.copies -= 1;
      isOpen = false;
    },
  };
}

async function* chunks(
  of: { readonly context: RowContext; readonly serverStart: string },
  table: TableDef,
  from: {
    readonly rows: ReturnType<SimPostgres['snapshot']>['rows'];
    readonly selectors: WantedSelectors;
  },
): AsyncGenerator<{ rows: ReturnType<typeof cellsOf>[]; selectors: string[] }, void, void> {
  const wanted = from.selectors === 'any' ? null : new Set(from.selectors);
  const held = from.rows.rows(table).filter((row) => {
    const selector = selectorOf(table, row);
    return selector !== null && wanted?.has(selector) !== false;
  });
  for (let at = 0; at < held.length; at += CHUNK_ROWS) {
    await pause(of.context, CHUNK_MS_MAX);
    requireUp(of.context.postgres, of.serverStart);
    const part = held.slice(at, at + CHUNK_ROWS);
    yield {
      rows: part.map((row) => cellsOf(table, row)),
      selectors: part.map((row) => selectorOf(table, row) ?? ''),
    };
  }
}

function requireUp(postgres: SimPostgres, serverStart: string): void {
  if (postgres.isUp && postgres.serverStart === serverStart) return;
  throw new TidelockError({ code: 'SOURCE_DOWN', message: 'the connection to Postgres is gone' });
}

function pause({ scheduler, chance, life }: RowContext, msMax: number): Promise<void> {
  return new Promise((resolve) => {
    scheduler.after(chance.between(1, msMax), 'copy: reads', () => resolve(), life);
  });
}
