/** A server for Transicator's clients over a database of its own, and its answers as JSON. */
import type { EngineOptions } from '../../src/engine/engine.ts';
import type { ServerConfig, TransicatorConfig } from '../../src/server/config.ts';
import { Stack } from './stack.ts';

export type JsonValue = { readonly value: string | null; readonly type: number };
export type JsonRow = Readonly<Record<string, JsonValue>>;
export type JsonChange = {
  readonly operation: 1 | 2 | 3;
  readonly table: string;
  readonly sequence: string;
  readonly commitSequence: number;
  readonly commitIndex: number;
  readonly txid: number;
  readonly timestamp: number;
  readonly newRow?: JsonRow;
  readonly oldRow?: JsonRow;
};
export type JsonChanges = {
  readonly changes: readonly JsonChange[] | null;
  readonly lastSequence: string;
  readonly firstSequence: string;
};
export type JsonSnapshot = {
  readonly snapshotInfo: string;
  readonly timestamp: string;
  readonly tables:
    | readonly { readonly name: string; readonly rows: readonly JsonRow[] | null }[]
    | null;
};

export type WorldOptions = {
  readonly postgresUrl: string;
  readonly schema: string;
  readonly tables?: Readonly<Record<string, string>>;
  readonly engine?: Partial<EngineOptions>;
  readonly server?: Partial<ServerConfig>;
  readonly transicator?: Partial<TransicatorConfig>;
};

/** An engine as `serve --transicator` opens it. */
export function openTransicator(options: WorldOptions): Promise<Stack> {
  return Stack.open({
    postgresUrl: options.postgresUrl,
    schema: options.schema,
    tables: options.tables ?? {},
    engine: { keepsOldRows: true, replicaIdentity: 'full', ...options.engine },
    server: {
      transicator: { prefix: '', naming: 'schema_table', ...options.transicator },
      ...options.server,
    },
  });
}

export async function getChanges(stack: Stack, query: string): Promise<JsonChanges> {
  const answer = await fetch(`${stack.server}/changes?${query}`);
  const text = await answer.text();
  if (answer.status !== 200) throw new Error(`${answer.status} ${text}`);
  return JSON.parse(text) as JsonChanges;
}

export async function getSnapshot(stack: Stack, query: string): Promise<JsonSnapshot> {
  const answer = await fetch(`${stack.server}/snapshots?${query}`);
  const text = await answer.text();
  if (answer.status !== 200) throw new Error(`${answer.status} ${text}`);
  return JSON.parse(text) as JsonSnapshot;
}

export type Refusal = { readonly status: number; readonly code: string; readonly text: string };

export async function refusal(stack: Stack, path: string, init?: RequestInit): Promise<Refusal> {
  const answer = await fetch(`${stack.server}${path}`, init);
  const text = await answer.text();
  const body = text === '' ? { code: '' } : (JSON.parse(text) as { code: string });
  return { status: answer.status, code: body.code, text };
}

/** Waits until everything that is committed now is in the log. */
export async function settled(stack: Stack): Promise<void> {
  const position = encodeURIComponent(await stack.position());
  const answer = await fetch(`${stack.server}/v1/wait?ts=${position}&timeout_s=20`);
  if (answer.status !== 200) throw new Error(await answer.text());
}

/** What a change says, without where it stands. */
export function said(change: JsonChange): string {
  const row = (values: JsonRow | undefined): string =>
    values === undefined
      ? '-'
      : Object.entries(values)
          .map(([name, { value }]) => `${name}=${value}`)
          .join(',');
  const names = { 1: 'insert', 2: 'update', 3: 'delete' } as const;
  return `${names[change.operation]} ${change.table} ${row(change.newRow)} ${row(change.oldRow)}`;
}
