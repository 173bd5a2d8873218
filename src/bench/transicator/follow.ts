/** A receiver of the stress that speaks Transicator's protocol. */
import type { Follow } from '../stress/follow.ts';
import { READER_POSITION_SQL, TransicatorClient } from './client.ts';

export const TRANSICATOR: Follow = {
  positionSql: READER_POSITION_SQL,
  hasDigests: false,
  open: async ({ server, selectors, file, onApplied, onState }) => {
    let isOpen = false;
    const client = await TransicatorClient.open({
      ...{ server, selectors, file },
      onApplied: ({ kind, changes }) => {
        // The first copy is told by whoever opened the file.
        if (!isOpen && kind === 'snapshot') return;
        onApplied({ kind: kind === 'snapshot' ? 'difference' : 'apply', changes });
      },
      onState: (state, note) => {
        if (isOpen) onState(state, note);
      },
    });
    isOpen = true;
    return {
      waitFor: (position, timeoutMs) => client.waitFor(position, timeoutMs),
      close: () => client.stop(),
    };
  },
};
