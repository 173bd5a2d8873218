/** What is done to deliveries on a named link: from Postgres to the server, or from the server to a replica. */
import type { Arguments } from '../../script/arguments.ts';
import { until } from '../until.ts';
import type { Link } from './link.ts';
import type { PostgresLink } from './postgres-link.ts';
import { type Directive, type Directives, partyOf } from './real-names.ts';

export type Links = {
  readonly source: PostgresLink;
  readonly linkOf: (args: Arguments, name: string) => Link;
};

type Wait = { readonly limitMs: number; readonly signal: AbortSignal };

/** Both links can hold, let go and break. */
type AnyLink = {
  readonly held: number;
  hold(): void;
  release(count: number | null): void;
  cut(): void;
};

export function linkDirectives(links: Links, wait: Wait): Directives {
  const any = (act: (link: AnyLink, args: Arguments) => void | Promise<void>): Directive => {
    return async ({ args }) => {
      const party = partyOf(args, 'link', ['replica', 'pg']);
      const isSource = party.kind === 'pg';
      await act(isSource ? links.source : anyOf(links.linkOf(args, party.name)), args);
      return '';
    };
  };
  const ofReplica = (
    what: string,
    act: (deliveries: Link['deliveries'], args: Arguments) => Promise<void>,
  ): Directive => {
    return async ({ args }) => {
      const party = partyOf(args, 'link', ['replica', 'pg']);
      if (party.kind === 'pg') throw meaningless(args, what);
      await act(links.linkOf(args, party.name).deliveries, args);
      return '';
    };
  };
  return {
    hold: any(async (link, args) => {
      link.hold();
      const count = args.optionalInteger('n');
      if (count !== undefined) await untilHeld(link, count, wait);
    }),
    release: any(async (link, args) => {
      const count = args.optionalInteger('n') ?? null;
      if (count !== null) await untilHeld(link, count, wait);
      link.release(count);
    }),
    cut: any((link) => link.cut()),
    drop: ofReplica('loses', async (deliveries, args) => {
      const count = args.optionalInteger('n') ?? 1;
      await untilHeld(deliveries, count, wait);
      deliveries.drop(count);
    }),
    dup: ofReplica('doubles', async (deliveries) => {
      await untilHeld(deliveries, 1, wait);
      deliveries.double();
    }),
    swap: ofReplica('swaps', async (deliveries) => {
      await untilHeld(deliveries, 2, wait);
      deliveries.swap();
    }),
  };
}

function anyOf(link: Link): AnyLink {
  const { deliveries } = link;
  return {
    get held() {
      return deliveries.held;
    },
    hold: () => deliveries.hold(),
    release: (count) => deliveries.release(count),
    cut: () => link.cut(),
  };
}

/** So many transactions wait there. */
function untilHeld(link: { readonly held: number }, count: number, wait: Wait): Promise<boolean> {
  return until(`${count} transactions are held`, () => link.held >= count, wait);
}

function meaningless(args: Arguments, what: string): Error {
  return args.error(
    'link',
    `a connection to Postgres never ${what} anything`,
    'hold, release or cut: after a cut Postgres sends again what was not confirmed',
  );
}
