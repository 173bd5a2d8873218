/**
 * Statements as the parser gives them: read, not yet bound. Queries and expressions stay PostgreSQL's own parse
 * trees (`libpg-query`); the binder resolves them against a catalog.
 */
import type { Node, SelectStmt } from './pg-parser.ts';
import type { Column } from './types.ts';

/** `t`, `schema.t`, `database.schema.t`, as written (folded to lower case unless quoted). */
export type Name = { readonly parts: readonly string[]; readonly offset: number };

/** A time of `AS OF`: an expression without columns. */
export type AsOf = { readonly expression: Node; readonly isAtLeast: boolean };

export type ObjectKind = 'table' | 'source' | 'view' | 'index' | 'sink' | 'schema' | 'database';

export type FileFormat = 'text' | 'csv' | 'json';

export type SinkTarget =
  | { readonly kind: 'avro' | 'json'; readonly path: string }
  | { readonly kind: 'sqlite'; readonly path: string };

/** `FROM name` or `FROM (query)`. */
export type RelationOf =
  | { readonly kind: 'name'; readonly name: Name }
  | { readonly kind: 'query'; readonly select: SelectStmt };

/** What a statement says. */
export type Form =
  | {
      readonly kind: 'createDatabase' | 'createSchema';
      readonly name: Name;
      readonly isIfNotExists: boolean;
    }
  | {
      readonly kind: 'createTable';
      readonly name: Name;
      readonly isIfNotExists: boolean;
      readonly columns: readonly (Column & { readonly default: Node | null })[];
      /** Names of the primary key's columns; empty without one. */
      readonly key: readonly string[];
    }
  | {
      readonly kind: 'createFileSource';
      readonly name: Name;
      readonly isIfNotExists: boolean;
      readonly isMaterialized: boolean;
      readonly path: string;
      readonly isTail: boolean;
      readonly format: FileFormat;
      /** CSV: `WITH HEADER`, or names given in parentheses; null gives `column1`, ... */
      readonly columnNames: readonly string[] | 'header' | null;
      /** CSV: `WITH n COLUMNS`; null when a header tells. */
      readonly columnCount: number | null;
    }
  /** One replicated table of the engine, `FROM POSTGRES TABLE schema.table`; the item has its columns. */
  | {
      readonly kind: 'createPostgresSource';
      readonly name: Name;
      readonly isIfNotExists: boolean;
      readonly isMaterialized: boolean;
      readonly table: Name;
    }
  | {
      readonly kind: 'createView';
      readonly name: Name;
      readonly isIfNotExists: boolean;
      readonly isOrReplace: boolean;
      readonly isMaterialized: boolean;
      readonly columnNames: readonly string[] | null;
      readonly select: SelectStmt;
    }
  | {
      readonly kind: 'createDefaultIndex';
      readonly name: Name | null;
      readonly on: Name;
      readonly isIfNotExists: boolean;
    }
  /** `SET (logical_compaction_window = ...)`; `off` never compacts; null is RESET. In milliseconds or time units. */
  | {
      readonly kind: 'alterIndex';
      readonly name: Name;
      readonly window: number | 'off' | null;
      readonly isIfExists: boolean;
    }
  | {
      readonly kind: 'createSink';
      readonly name: Name;
      readonly isIfNotExists: boolean;
      readonly from: Name;
      readonly into: SinkTarget;
      readonly asOf: AsOf | null;
      readonly hasSnapshot: boolean;
    }
  | {
      readonly kind: 'drop';
      readonly object: ObjectKind;
      readonly names: readonly Name[];
      readonly isIfExists: boolean;
      readonly isCascade: boolean;
    }
  | {
      readonly kind: 'insert';
      readonly table: Name;
      readonly columns: readonly string[] | null;
      readonly select: SelectStmt | null;
    }
  | {
      readonly kind: 'update';
      readonly table: Name;
      readonly alias: string | null;
      readonly assignments: readonly { readonly column: string; readonly value: Node }[];
      readonly where: Node | null;
    }
  | {
      readonly kind: 'delete';
      readonly table: Name;
      readonly alias: string | null;
      readonly where: Node | null;
    }
  | { readonly kind: 'select'; readonly select: SelectStmt; readonly asOf: AsOf | null }
  | {
      readonly kind: 'subscribe';
      readonly relation: RelationOf;
      readonly asOf: AsOf | null;
      readonly hasProgress: boolean;
      readonly hasSnapshot: boolean;
    }
  | { readonly kind: 'declare'; readonly cursor: string; readonly statement: Statement }
  /** Null count: ALL. `timeoutMs` null: wait for ever when `count` is given, else not at all. */
  | {
      readonly kind: 'fetch';
      readonly cursor: string;
      readonly count: number | null;
      readonly timeoutMs: number | null;
    }
  | { readonly kind: 'closeCursor'; readonly cursor: string | null }
  | { readonly kind: 'begin'; readonly isReadOnly: boolean }
  | { readonly kind: 'commit' | 'rollback' }
  | { readonly kind: 'explain'; readonly what: 'plan' | 'timestamp'; readonly statement: Statement }
  | { readonly kind: 'show'; readonly what: string; readonly of: Name | null }
  | { readonly kind: 'set'; readonly variable: string; readonly value: string | null };

/** One statement of a batch. */
export type Statement = Form & {
  /** As it was written, without the semicolon. */
  readonly text: string;
  /** Of its first character, in characters from the start of the batch. */
  readonly offset: number;
};
