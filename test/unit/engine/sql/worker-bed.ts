/** A worker over memory, what it tells, and plans as short as tests want them. */
import type { WorkerFeedback } from '../../../../src/coordinator/sql/worker.ts';
import { SqlWorker } from '../../../../src/engine/sql/worker.ts';
import type { Plan, Query } from '../../../../src/sql/plan.ts';
import type { Column, SqlType } from '../../../../src/sql/types.ts';
import { CollectionStore } from '../../../../src/sqlite/collections/collection-store.ts';

export function column(name: string, type: SqlType): Column {
  return { name, type, isNullable: true };
}

export function get(item: string, columns: readonly Column[]): Plan {
  return { kind: 'get', item, columns };
}

export function queryOf(plan: Plan): Query {
  return {
    columns: plan.columns,
    plan,
    order: [],
    items: plan.kind === 'get' ? [plan.item] : [],
    parameters: [],
    usesLogicalTimestamp: false,
    usesNow: false,
    usesSession: false,
  };
}

export function openBed(file = ':memory:') {
  const told: WorkerFeedback[] = [];
  const store = CollectionStore.open(file);
  const worker = new SqlWorker({ store, tell: (one) => told.push(one) });
  return { worker, store, told, take: () => told.splice(0) };
}
