/** The tables to replicate as Postgres describes them, without those that this role cannot bring into the stream. */
import { describeTables } from '../postgres/catalog.ts';
import { type Withheld, withheldTables } from '../postgres/publication-rights.ts';
import type { PgSession } from '../postgres/session.ts';
import type { TableDeclaration, TableDescription } from '../postgres/table-fitness.ts';
import { heldTable, toHeld, toUnfit } from './source-words.ts';

export type DescribedTablesOptions = {
  readonly publication: string;
  readonly onNotice: (notice: string) => void;
};

export class DescribedTables {
  readonly #options: DescribedTablesOptions;
  #withheld: ReadonlyMap<string, Withheld> = new Map();
  #known: readonly string[] = [];
  /** Told to the operator when it changes, not at every attempt. */
  #told = '';

  constructor(options: DescribedTablesOptions) {
    this.#options = options;
  }

  /** Tables that are fit but for a right of ours: whatever the stream says of them, they are not replicated. */
  get withheld(): ReadonlyMap<string, Withheld> {
    return this.#withheld;
  }

  /** `known` are names of tables that replicas have already. */
  async read(
    session: PgSession,
    declarations: readonly TableDeclaration[],
    known: readonly string[],
  ): Promise<readonly TableDescription[]> {
    const described = await describeTables(session, declarations);
    const fit = described.flatMap(({ kind, name }) => (kind === 'table' ? [name] : []));
    this.#known = known;
    this.#withheld = await this.#ask(session, fit);
    const tables = described.map((one) => this.#withheld.get(one.name) ?? one);
    this.#tell(tables);
    return tables;
  }

  /** True when the rights on a withheld table are not what they were. */
  async haveChanged(session: PgSession): Promise<boolean> {
    const before = this.#withheld;
    if (before.size === 0) return false;
    const now = await this.#ask(session, [...before.keys()]);
    return [...before].some(([name, { reason }]) => now.get(name)?.reason !== reason);
  }

  async #ask(
    session: PgSession,
    tables: readonly string[],
  ): Promise<ReadonlyMap<string, Withheld>> {
    const request = { tables, known: this.#known };
    const withheld = await withheldTables(session, this.#options.publication, request);
    return new Map(withheld.map((one) => [one.name, one]));
  }

  /** Tables that are declared and not replicated, or held: said once, and again when it changes. */
  #tell(described: readonly TableDescription[]): void {
    const unfit = described.flatMap(toUnfit);
    const told = [
      ...unfit.map(({ name, reason }) => `table ${name} is not replicated: ${reason}`),
      ...described.flatMap(toHeld).map(([name, reason]) => heldTable(name, reason)),
    ];
    if (told.join() === this.#told) return;
    this.#told = told.join();
    for (const line of told) this.#options.onNotice(line);
  }
}
