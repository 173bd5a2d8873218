/**
 * Notices unique indexes that a program has made on a two-way table. SQLite tells no trigger which rows REPLACE removes
 * because of them: those deletes would never be sent.
 */
import type { ReplicaTable } from './replica-table.ts';
import { asText, type Sql, type SqlStatement } from './sql.ts';

export class UniqueIndexes {
  readonly #version: SqlStatement;
  readonly #indexes: SqlStatement;
  readonly #told = new Set<string>();
  #lastVersion = -1;

  constructor(sql: Sql) {
    this.#version = sql.prepare('PRAGMA schema_version');
    this.#indexes = sql.prepare(
      `SELECT name FROM pragma_index_list(?) WHERE "unique" = 1 AND origin <> 'pk' ORDER BY name`,
    );
  }

  /** A sentence for each that was not told before. Cheap while nobody changes the schema. */
  news(tables: Iterable<ReplicaTable>): readonly string[] {
    const version = Number(this.#version.get()?.schema_version);
    if (version === this.#lastVersion) return [];
    this.#lastVersion = version;
    const news: string[] = [];
    for (const { localName } of tables) {
      for (const { name } of this.#indexes.all(localName)) {
        const index = asText(name);
        if (this.#told.has(index)) continue;
        this.#told.add(index);
        news.push(
          `the unique index ${index} of ${localName} lets REPLACE remove rows unseen: they stay in Postgres and in other replicas; drop it`,
        );
      }
    }
    return news;
  }
}
