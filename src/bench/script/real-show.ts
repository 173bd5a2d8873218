/** `show what=...`: state of the parts, as far as it is the same in every run. */
import type { Call } from '../../script/run.ts';
import { partyOf } from './real-names.ts';
import type { RealParts } from './real-parts.ts';
import type { ServerStatus } from './real-server.ts';

const KINDS = ['positions', 'slot', 'tables', 'source', 'timeline', 'log', 'events'] as const;

export async function show(call: Call, parts: RealParts): Promise<string> {
  const { args } = call;
  switch (args.choice('what', KINDS)) {
    case 'positions':
      return positions(parts);
    case 'slot':
      return slot(parts);
    case 'events': {
      const { name } = partyOf(args, 'on', ['replica']);
      const replica = parts.replicas.get(name);
      if (replica === undefined) throw args.error('on', `there is no replica ${name}`, 'open it');
      return replica.events();
    }
    default:
      return ofServer(args.text('what'), await parts.server.status());
  }
}

/** Where each replica's file stands, by its own word. */
function positions({ replicas }: RealParts): string {
  const lines = [...replicas].map(([name, replica]) => {
    const text = replica.sql('SELECT position FROM tidelock_replica');
    return `${name}: ${text.trimEnd().split('\n').at(-1)}\n`;
  });
  return lines.length === 0 ? '(no replicas)\n' : lines.join('');
}

async function slot({ postgres }: RealParts): Promise<string> {
  const answer = await postgres.ask(
    `SELECT CASE WHEN active THEN 'active' ELSE 'inactive' END FROM pg_replication_slots WHERE slot_name = '${postgres.name}'`,
  );
  return `${answer ?? 'none'}\n`;
}

function ofServer(what: string, { timeline, source, log, tables }: ServerStatus): string {
  switch (what) {
    case 'timeline':
      // The generation: the rest differs from run to run.
      return `generation ${timeline?.split('-')[1] ?? 'none'}\n`;
    case 'source':
      return `${source.state}${source.reason === undefined ? '' : `: ${source.reason}`}\n`;
    case 'log':
      return `${log.state}, upper ${log.upper}, since ${log.since}, confirmed ${log.confirmed}\n`;
    default:
      return tables.map(({ name, state }) => `${name}: ${state}\n`).join('');
  }
}
