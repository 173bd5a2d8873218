/** Metrics of Lockstep streams. */
import { Counter, Gauge, type Registry } from 'prom-client';
import type { RowStreams } from '../../lockstep/api.ts';

export function registerLockstep(registry: Registry, streams: RowStreams): void {
  const registers = [registry];
  new Gauge({
    name: 'tidelock_lockstep_readers',
    help: 'Readers that follow a relation by transaction id',
    labelNames: ['relation'],
    registers,
    collect() {
      this.reset();
      for (const { relation, readers } of streams.status) this.set({ relation }, readers);
    },
  });
  new Counter({
    name: 'tidelock_lockstep_rounds_total',
    help: 'Queries for news of a followed relation, for all its readers together',
    registers,
    collect() {
      this.reset();
      this.inc(streams.rounds);
    },
  });
  new Gauge({
    name: 'tidelock_oldest_transaction_seconds',
    help: 'Age of the oldest open transaction of the source: how far readers in strict mode are behind',
    registers,
    async collect() {
      const seconds = await streams.oldestTransactionS().catch(() => null);
      if (seconds === null) this.remove();
      else this.set(seconds);
    },
  });
}
