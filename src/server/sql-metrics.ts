/** Metrics of the SQL port, read at the scrape. */
import { Counter, Gauge, type Registry } from 'prom-client';
import type { SqlCounts } from '../core/sql-counts.ts';

export function registerSql(registry: Registry, counts: SqlCounts): void {
  const registers = [registry];
  new Gauge({
    name: 'tidelock_sql_sessions',
    help: 'Sessions of the SQL port',
    registers,
    collect() {
      this.set(counts.sessions);
    },
  });
  new Gauge({
    name: 'tidelock_sql_subscriptions',
    help: 'Subscriptions that run on the SQL port',
    registers,
    collect() {
      this.set(counts.subscriptions);
    },
  });
  statements(registry, counts);
  total(registry, 'tidelock_sql_rows_total', 'Rows handed to SQL clients', () => counts.rows);
  total(
    registry,
    'tidelock_sql_bytes_out_total',
    'Bytes handed to the sockets of SQL clients',
    () => counts.bytesOut,
  );
}

function statements(registry: Registry, counts: SqlCounts): void {
  const labelNames = ['kind', 'result'] as const;
  new Counter({
    name: 'tidelock_sql_statements_total',
    help: 'SQL statements that ended, by kind and result: ok, error, canceled',
    labelNames,
    registers: [registry],
    collect() {
      this.reset();
      for (const { kind, result, count } of counts.statements) this.inc({ kind, result }, count);
    },
  });
  new Counter({
    name: 'tidelock_sql_seconds_total',
    help: 'Seconds from the start of SQL statements to their end, by kind and result',
    labelNames,
    registers: [registry],
    collect() {
      this.reset();
      for (const { kind, result, seconds } of counts.statements) {
        this.inc({ kind, result }, seconds);
      }
    },
  });
}

function total(registry: Registry, name: string, help: string, read: () => number): void {
  new Counter({
    ...{ name, help, registers: [registry] },
    collect() {
      this.reset();
      this.inc(read());
    },
  });
}
