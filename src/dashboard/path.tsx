/** The way from Postgres to the replicas as a picture: four stations, and between them what is under way. */
import type { ComponentChildren, JSX } from 'preact';
import type { EngineLive, Sample } from '../protocol/dashboard.ts';
import { SAMPLE_FIELDS, type SampleField } from '../protocol/dashboard.ts';
import { bytes, count, rate, seconds } from './format.ts';
import { Badge, Stat, type Tone } from './parts.tsx';

const SOURCE_TONES: Readonly<Record<string, Tone>> = {
  streaming: 'good',
  starting: 'warn',
  resyncing: 'warn',
};

type Props = { readonly live: EngineLive; readonly samples: readonly Sample[] };

export function PathPicture({ live, samples }: Props): JSX.Element {
  const now = latest(samples);
  const isFlowing = now('changesPerS') > 0;
  return (
    <section class="path" aria-label="The path from Postgres to the replicas">
      <SourceStation live={live} />
      <Link isFlowing={isFlowing} label={`${rate(now('transactionsPerS'))} tx/s`}>
        {live.source.lagBytes === undefined
          ? 'lag not known'
          : `${bytes(live.source.lagBytes)} to read`}
      </Link>
      <LogStation live={live} />
      <Link
        isFlowing={isFlowing && live.feeds.streams > 0}
        label={`${rate(now('changesPerS'))} changes/s`}
      >
        {live.commitLagS === undefined
          ? 'no commit yet'
          : `${seconds(live.commitLagS)} commit to log`}
      </Link>
      <FeedsStation live={live} />
      <Link isFlowing={now('bytesOutPerS') > 200} label={`${bytes(now('bytesOutPerS'))}/s`}>
        {live.feeds.behind === 0 ? 'nothing waits' : `${count(live.feeds.behind)} behind`}
      </Link>
      <ReplicasStation live={live} />
    </section>
  );
}

function SourceStation({ live: { source } }: { live: EngineLive }): JSX.Element {
  const tone = SOURCE_TONES[source.state] ?? 'bad';
  return (
    <Station
      title="Postgres"
      badge={<Badge tone={tone}>{source.state.replaceAll('_', ' ')}</Badge>}
    >
      <Stat name="Slot">
        <code>{source.slot}</code>
      </Stat>
      <Stat name="Retained WAL">{bytes(source.retainedWalBytes)}</Stat>
      <Stat name="To read">{bytes(source.lagBytes)}</Stat>
      {source.reason === undefined ? null : <p class="reason">{source.reason}</p>}
    </Station>
  );
}

function LogStation({ live: { log } }: { live: EngineLive }): JSX.Element {
  return (
    <Station
      title="Log"
      badge={<Badge tone={log.state === 'ok' ? 'good' : 'bad'}>{log.state}</Badge>}
    >
      <Stat name="Upper">
        <code data-testid="upper">{log.upper}</code>
      </Stat>
      <Stat name="Since">
        <code>{log.since}</code>
      </Stat>
      <Stat name="Size">{bytes(log.sizeBytes)}</Stat>
      {log.reason === undefined ? null : <p class="reason">{log.reason}</p>}
    </Station>
  );
}

function FeedsStation({ live: { feeds } }: { live: EngineLive }): JSX.Element {
  const tone: Tone = feeds.readers === 0 ? 'idle' : feeds.behind === 0 ? 'good' : 'warn';
  const word = feeds.readers === 0 ? 'no readers' : feeds.behind === 0 ? 'caught up' : 'delivering';
  return (
    <Station title="Feeds" badge={<Badge tone={tone}>{word}</Badge>}>
      <Stat name="Readers">{count(feeds.readers)}</Stat>
      <Stat name="HTTP streams">{count(feeds.streams)}</Stat>
      <Stat name="Behind">{count(feeds.behind)}</Stat>
    </Station>
  );
}

function ReplicasStation({ live: { replicas } }: { live: EngineLive }): JSX.Element {
  const isLate = replicas.worstLagS > 30;
  const tone: Tone = replicas.leases === 0 ? 'idle' : isLate ? 'warn' : 'good';
  const word = replicas.leases === 0 ? 'none yet' : isLate ? 'some are late' : 'up to date';
  return (
    <Station title="Replicas" badge={<Badge tone={tone}>{word}</Badge>}>
      <Stat name="Leases">{count(replicas.leases)}</Stat>
      <Stat name="Connected">{count(replicas.connected)}</Stat>
      <Stat name="Worst lag">{seconds(replicas.worstLagS)}</Stat>
    </Station>
  );
}

type StationProps = {
  readonly title: string;
  readonly badge: ComponentChildren;
  readonly children: ComponentChildren;
};

function Station({ title, badge, children }: StationProps): JSX.Element {
  return (
    <section class="station" aria-label={title}>
      <header>
        <h3>{title}</h3>
        {badge}
      </header>
      <dl>{children}</dl>
    </section>
  );
}

type LinkProps = {
  readonly isFlowing: boolean;
  readonly label: string;
  readonly children: ComponentChildren;
};

function Link({ isFlowing, label, children }: LinkProps): JSX.Element {
  return (
    <div class={isFlowing ? 'link flowing' : 'link'}>
      <span class="label">{label}</span>
      <span class="arrow" aria-hidden="true" />
      <span class="label minor">{children}</span>
    </div>
  );
}

/** The last value of a field; 0 before there is one. */
function latest(samples: readonly Sample[]): (field: SampleField) => number {
  const sample = samples.at(-1);
  return (field) => sample?.[SAMPLE_FIELDS.indexOf(field)] ?? 0;
}
