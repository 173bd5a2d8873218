/** Which requests may act: those of our own pages and of programs, not those of other sites' pages. */
import { expect, test } from 'vitest';
import { TidelockError } from '../../../src/core/errors.ts';
import { requireSameSite } from '../../../src/server/same-site.ts';

const HOST = 'runs.example:7700';

type Headers = Readonly<Record<string, string>>;

function isRefused(headers: Headers): boolean {
  try {
    requireSameSite({ headers: { host: HOST, ...headers } });
    return false;
  } catch (error) {
    expect((error as TidelockError).code).toBe('TOKEN_FORBIDS');
    expect(error).toBeInstanceOf(TidelockError);
    return true;
  }
}

test.each<[string, Headers]>([
  ['a page of another site', { 'sec-fetch-site': 'cross-site', origin: 'https://evil.example' }],
  ['a neighbour on the same domain', { 'sec-fetch-site': 'same-site', origin: `https://${HOST}` }],
  ['a browser that tells the origin only', { origin: 'https://evil.example' }],
  ['another port of our host', { origin: 'http://runs.example:8080' }],
  ['a page in a sandbox', { origin: 'null' }],
  ['a file', { origin: 'file://' }],
  ['a name that begins like ours', { origin: 'http://runs.example:7700.evil.example' }],
  ['an origin that is none', { origin: 'our own, believe us' }],
  ['a typed address with a foreign origin', { 'sec-fetch-site': 'none', origin: 'https://evil' }],
])('refused: %s', (_who, headers) => {
  expect(isRefused(headers)).toBe(true);
});

test.each<[string, Headers]>([
  ['a program', {}],
  ['our own page', { 'sec-fetch-site': 'same-origin', origin: `http://${HOST}` }],
  ['our own page where the browser tells the origin only', { origin: `http://${HOST}` }],
  ['our own page behind a proxy with another name', { 'sec-fetch-site': 'same-origin' }],
  ['a person who typed the address', { 'sec-fetch-site': 'none' }],
])('taken: %s', (_who, headers) => {
  expect(isRefused(headers)).toBe(false);
});

test('an origin is refused where the request names no host', () => {
  expect(() => requireSameSite({ headers: { origin: `http://${HOST}` } })).toThrow(TidelockError);
});
