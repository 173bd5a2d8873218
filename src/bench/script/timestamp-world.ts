/**
 * The world of the coordinator's choice of read times: no engine, no storage, only the numbers that it is made from.
 *
 *   frontiers              lines `item since=0 upper=20`; `upper=done` for what never changes again
 *   oracle                 `time=15`, and `session=12` for what this session was told last
 *   determine              `isolation=` strict, session or serializable; `when=` immediately, freshest, at:N or at-least:N;
 *                          `items=(a, b)`, all of them by default
 */
import { determine, type Isolation, type When } from '../../coordinator/sql/determine.ts';
import type { Arguments } from '../../script/arguments.ts';
import { ScriptError } from '../../script/errors.ts';
import type { Call } from '../../script/run.ts';
import type { OpenWorld, World } from './world.ts';

const ISOLATIONS: readonly Isolation[] = ['strict', 'session', 'serializable'];
const FRONTIER = /^(\S+)\s+since=(\d+)\s+upper=(\d+|done)$/;

type Frontiers = { readonly since: number; readonly upper: number | null };

export const openTimestampWorld: OpenWorld = () => new TimestampWorld();

class TimestampWorld implements World {
  readonly #items = new Map<string, Frontiers>();
  #oracle = 0;
  #session = 0;

  handle(call: Call): string {
    switch (call.command) {
      case 'frontiers':
        return this.#setFrontiers(call);
      case 'oracle':
        this.#oracle = call.args.integer('time');
        this.#session = call.args.optionalInteger('session') ?? this.#session;
        return '';
      case 'determine':
        return this.#determine(call);
      default: {
        const remedy = 'one of: frontiers, oracle, determine';
        throw new ScriptError(call.place, `there is no directive ${call.command}`, remedy);
      }
    }
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  #setFrontiers({ input, place }: Call): string {
    this.#items.clear();
    for (const line of input.split('\n').filter((text) => text !== '')) {
      const [, name, since, upper] = FRONTIER.exec(line) ?? [];
      if (name === undefined) {
        throw new ScriptError(place, `no frontier: ${line}`, 'write: item since=0 upper=20');
      }
      this.#items.set(name, {
        since: Number(since),
        upper: upper === 'done' ? null : Number(upper),
      });
    }
    return '';
  }

  #determine({ args }: Call): string {
    const isolation = args.choice('isolation', ISOLATIONS);
    const items = this.#chosen(args);
    const uppers = items.flatMap(({ upper }) => (upper === null ? [] : [upper]));
    const read = determine({
      ...{ isolation, when: whenOf(args), oracle: this.#oracle, sessionTime: this.#session },
      upper: uppers.length === 0 ? null : Math.min(...uppers),
      since: Math.max(0, ...items.map(({ since }) => since)),
      ...{ now: 0, isClocked: false, readsTables: false },
    });
    if (read.kind !== 'at') return `${read.kind}\n`;
    const isReady = uppers.every((upper) => read.time < upper);
    const words = [
      ...(isReady ? [] : ['waits']),
      ...(read.isTold ? [] : ['not told to the oracle']),
    ];
    return `${[read.time, ...words].join(', ')}\n`;
  }

  #chosen(args: Arguments): readonly Frontiers[] {
    const names = args.list('items');
    return [...this.#items]
      .filter(([name]) => names.length === 0 || names.includes(name))
      .map(([, frontiers]) => frontiers);
  }
}

function whenOf(args: Arguments): When {
  const text = args.optional('when') ?? 'immediately';
  const [, kind, time] = /^(at|at-least):(\d+)$/.exec(text) ?? [];
  if (kind === 'at') return { kind: 'at', time: Number(time) };
  if (kind === 'at-least') return { kind: 'atLeast', time: Number(time) };
  if (text === 'freshest') return { kind: 'freshestWrite' };
  if (text === 'immediately') return { kind: 'immediately' };
  throw args.error(
    'when',
    `when=${text} is unknown`,
    'one of: immediately, freshest, at:N, at-least:N',
  );
}
