/** The engine at a glance. */
import type { JSX } from 'preact';
import type { EngineLive } from '../../protocol/dashboard.ts';
import { bytes, count, rate, seconds } from '../format.ts';
import { Panel, Stat } from '../parts.tsx';
import { PathPicture } from '../path.tsx';
import { Plot } from '../plot.tsx';
import { LogRuler } from '../ruler.tsx';
import { engineOf, useLive } from '../store.ts';

export function EnginePage(): JSX.Element | null {
  const state = useLive();
  const live = engineOf(state);
  if (live === null) return null;
  const { samples } = state;
  return (
    <>
      <Panel title="Path of changes" wide>
        <PathPicture live={live} samples={samples} />
      </Panel>
      <div class="plots">
        <Plot
          title="Throughput"
          samples={samples}
          show={(value) => `${rate(value)}/s`}
          lines={[
            { field: 'changesPerS', name: 'changes', ink: 'accent' },
            { field: 'transactionsPerS', name: 'transactions', ink: 'second' },
          ]}
        />
        <Plot
          title="Commit to log"
          samples={samples}
          show={(value) => seconds(value)}
          lines={[{ field: 'commitLagS', name: 'latency', ink: 'accent' }]}
        />
        <Plot
          title="Behind Postgres"
          samples={samples}
          isBytes
          show={(value) => bytes(value)}
          lines={[
            { field: 'lagBytes', name: 'to read', ink: 'accent' },
            { field: 'retainedWalBytes', name: 'retained WAL', ink: 'second' },
          ]}
        />
        <Plot
          title="Sent to readers"
          samples={samples}
          isBytes
          show={(value) => `${bytes(value)}/s`}
          lines={[{ field: 'bytesOutPerS', name: 'bytes', ink: 'accent' }]}
        />
      </div>
      <LogPanel live={live} />
    </>
  );
}

function LogPanel({ live }: { live: EngineLive }): JSX.Element {
  const { log, counters } = live;
  const limit = log.sizeBytesMax === undefined ? '' : ` of ${bytes(log.sizeBytesMax)}`;
  return (
    <Panel title="Log" note="What is kept, and who keeps it">
      <dl class="stats">
        <Stat name="Size">
          {bytes(log.sizeBytes)}
          {limit}
        </Stat>
        <Stat name="Kept at least">
          {log.keepS === undefined ? 'not known' : seconds(log.keepS)}
        </Stat>
        <Stat name="Groups">{count(log.groups)}</Stat>
        <Stat name="Slot confirmed">
          <code>{log.confirmed}</code>
        </Stat>
        <Stat name="Transactions">
          <span data-testid="transactions">{count(counters.transactions)}</span>
        </Stat>
        <Stat name="Changes">{count(counters.changes)}</Stat>
        <Stat name="Delivered again">{count(counters.redelivered)}</Stat>
        <Stat name="Snapshots">{count(counters.snapshots)}</Stat>
      </dl>
      <LogRuler live={live} />
    </Panel>
  );
}
