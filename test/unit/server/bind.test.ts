import { createServer as createNetServer } from 'node:net';
import { describe, expect, test } from 'vitest';
import { bindAddress } from '../../../src/server/bind.ts';
import { requireLocalHost } from '../../../src/server/local-host.ts';
import { startServer } from './support.ts';

describe('without tokens', () => {
  test('every form of loopback can be bound', async () => {
    for (const host of ['127.0.0.1', '127.9.9.9', 'localhost', '::1', '127.1']) {
      expect(await bindAddress(host, false)).toMatch(/^(127\.|::1$)/);
    }
  });

  test('nothing that others can reach can be bound', async () => {
    for (const host of [
      '0.0.0.0',
      '::',
      '0',
      '10.0.0.1',
      '::ffff:10.0.0.1',
      '0x7f000001.example',
    ]) {
      await expect(bindAddress(host, false)).rejects.toMatchObject({ code: 'BAD_CONFIG' });
    }
  });

  test('the refusal says what to do', async () => {
    await expect(bindAddress('0.0.0.0', false)).rejects.toMatchObject({
      message: expect.stringContaining('no token keys'),
      hint: expect.stringContaining('TIDELOCK_TOKEN_SECRETS'),
    });
  });

  test('only requests for a local name are answered', () => {
    for (const host of ['localhost:1', 'LOCALHOST', '127.0.0.1:7475', '[::1]', 'a.localhost:80']) {
      expect(() => requireLocalHost(host)).not.toThrow();
    }
    expect(() => requireLocalHost(undefined)).not.toThrow();
    for (const host of ['evil.example', '127.0.0.1.evil.example', '10.0.0.1', '[::2]:80', '']) {
      expect(() => requireLocalHost(host)).toThrow(/does not answer/);
    }
  });
});

describe('with tokens', () => {
  test('any address of this machine can be bound', async () => {
    expect(await bindAddress('0.0.0.0', true)).toBe('0.0.0.0');
    expect(await bindAddress('::', true)).toBe('::');
  });
});

test('a name that does not exist stops the start with a reason', async () => {
  await expect(bindAddress('no-such-host.invalid', true)).rejects.toMatchObject({
    code: 'BAD_CONFIG',
    message: expect.stringContaining('no-such-host.invalid'),
  });
});

test('a port that is taken stops the start with a remedy', async () => {
  const other = createNetServer();
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', () => resolve()));
  const address = other.address();
  const port = typeof address === 'object' ? (address?.port ?? 0) : 0;
  await expect(startServer({ port })).rejects.toMatchObject({
    code: 'BAD_CONFIG',
    hint: expect.stringContaining(`--port ${port + 1}`),
  });
  other.close();
});
