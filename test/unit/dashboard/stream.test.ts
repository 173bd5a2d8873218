/** One stream of events: what is told when it cannot be had. */
import { afterEach, expect, test, vi } from 'vitest';
import { ApiError } from '../../../src/dashboard/api.ts';
import { type Connection, EventStream } from '../../../src/dashboard/stream.ts';

afterEach(() => void vi.unstubAllGlobals());

/** The first connection that is not an attempt. */
function first(path: () => Promise<string>, answer?: () => Response): Promise<Connection> {
  vi.stubGlobal('sessionStorage', { getItem: () => null });
  vi.stubGlobal('fetch', async () => answer?.());
  return new Promise((resolve) => {
    const stream = new EventStream({
      path,
      onEvent: () => undefined,
      onConnection: (connection) => {
        if (connection.kind === 'connecting') return;
        stream.stop();
        resolve(connection);
      },
    });
    stream.start();
  });
}

const here = async (): Promise<string> => '/v1/live';

function refusal(code: string, status: number): () => Response {
  return () => new Response(JSON.stringify({ error: { code, message: 'no' } }), { status });
}

test('a token that does not cover it is said, whoever refuses it', async () => {
  const error = new ApiError('TOKEN_FORBIDS', 'the token does not cover selector "area"', '');
  const asked = await first(async () => {
    throw error;
  });
  expect(asked).toEqual({ kind: 'refused', error });
  const streamed = await first(here, refusal('TOKEN_INVALID', 401));
  expect(streamed).toMatchObject({ kind: 'refused', error: { code: 'TOKEN_INVALID' } });
});

test('what another attempt may mend is said in the words of the server', async () => {
  expect(await first(here, refusal('BUSY', 503))).toMatchObject({ kind: 'waiting', reason: 'no' });
  const asked = await first(async () => {
    throw new ApiError('NOT_READY', 'not yet', '');
  });
  expect(asked).toMatchObject({ kind: 'waiting', reason: 'not yet' });
});

test('a stream that ends because it failed says why', async () => {
  const error = { code: 'RUNS_UNUSABLE', message: 'the file is gone' };
  const words = `event: error\ndata: ${JSON.stringify({ error })}\n\n`;
  expect(await first(here, () => new Response(words))).toMatchObject({
    ...{ kind: 'waiting', reason: 'the file is gone' },
  });
});
