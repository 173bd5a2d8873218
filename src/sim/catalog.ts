/** The simulated database's catalog as the engine asks it, and what the stream says of tables. */
import { TidelockError } from '../core/errors.ts';
import type { LogicalMessage } from '../core/source.ts';
import type { TableDef } from '../core/table.ts';
import type { Catalog, TableEvent } from '../engine/replicated-tables.ts';
import type { SimPostgres } from './postgres.ts';
import type { Life, Scheduler } from './scheduler.ts';
import { oidOf } from './tables.ts';

export type Description = Awaited<ReturnType<Catalog['describe']>>;

const PREFIX = 'sim.tables';
const LOOK_MS = 5;

/** As a query of the catalog gives it. */
export function descriptionOf(table: TableDef): Description {
  const fills = table.columns.map(({ name, missing }) => {
    return [name, missing === undefined ? 'null' : 'constant'] as const;
  });
  return {
    ...{ kind: 'table', name: table.name, oid: oidOf(table), table },
    fills: Object.fromEntries(fills),
  };
}

/** What the event trigger writes when the table becomes so; `isRewritten` undefined: nobody watched. */
export function tableMessage(
  table: TableDef,
  of: { readonly xid: number; readonly subxid: number; readonly isRewritten: boolean | undefined },
): LogicalMessage {
  const { xid, subxid, isRewritten } = of;
  const event: TableEvent = {
    ...{ name: table.name, description: descriptionOf(table), isNew: false, isRewritten },
  };
  const content = Buffer.from(JSON.stringify(event));
  return { prefix: PREFIX, content, xid, subxid, isTransactional: true, lsn: 0 as never };
}

export class SimCatalog implements Catalog {
  readonly #postgres: SimPostgres;
  readonly #scheduler: Scheduler;
  readonly #life: Life;

  constructor(of: { postgres: SimPostgres; scheduler: Scheduler; life: Life }) {
    this.#postgres = of.postgres;
    this.#scheduler = of.scheduler;
    this.#life = of.life;
  }

  /** Waits until the transaction shows. Rejects when Postgres goes away. */
  describe(name: string, txid: number): Promise<Description> {
    const { serverStart } = this.#postgres;
    return new Promise((resolve, reject) => {
      const look = (): void => {
        const { isUp, serverStart: now, tables } = this.#postgres;
        const table = tables.find((one) => one.name === name);
        if (!isUp || now !== serverStart) reject(gone());
        else if (txid !== 0 && !this.#postgres.isOver(txid)) this.#later(look);
        else resolve(table === undefined ? { kind: 'missing', name } : descriptionOf(table));
      };
      this.#later(look);
    });
  }

  parse({ prefix, content }: LogicalMessage): readonly TableEvent[] | null {
    return prefix === PREFIX ? [JSON.parse(Buffer.from(content).toString()) as TableEvent] : null;
  }

  #later(look: () => void): void {
    this.#scheduler.after(LOOK_MS, 'catalog: looks', look, this.#life);
  }
}

function gone(): TidelockError {
  return new TidelockError({
    code: 'SOURCE_DOWN',
    message: 'the connection to Postgres is gone',
  });
}
