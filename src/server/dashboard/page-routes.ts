/**
 * The dashboard's page and its files. They are open to everybody who may connect: what they show is asked for with a
 * token. The page may load and connect to nothing but this server, and run nothing but its own script.
 */
import type { FastifyReply, FastifyRequest, RouteOptions } from 'fastify';
import { TidelockError } from '../../core/errors.ts';
import type { Asset, AssetSource } from './assets.ts';

const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  // No text is ever made into HTML or script: the browser refuses.
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join('; ');

const HEADERS = {
  'content-security-policy': POLICY,
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
};

const PAGE_PATH = '/dashboard/';

/** `first` is the place of the page that an address without one leads to. */
export function pageRoutes(source: AssetSource, first: string): readonly RouteOptions[] {
  const common = { method: 'GET', config: { scope: 'open' }, schema: { hide: true } } as const;
  return [
    { ...common, url: '/', handler: async (_request, reply) => reply.redirect(PAGE_PATH + first) },
    {
      ...common,
      url: '/dashboard',
      handler: async (_request, reply) => reply.redirect(PAGE_PATH + first),
    },
    {
      ...common,
      url: `${PAGE_PATH}*`,
      handler: async (request, reply) => send(request, reply, await find(source, request)),
    },
  ];
}

/** A path without an ending is a place inside the page, which finds it itself. */
async function find(source: AssetSource, request: FastifyRequest): Promise<Asset> {
  const path = (request.params as { '*': string })['*'];
  const assets = await source.load();
  const asset = assets.get(path.includes('.') ? path : 'index.html');
  if (asset !== undefined) return asset;
  throw new TidelockError({
    code: 'NOT_FOUND',
    message: `the dashboard has no file ${JSON.stringify(path.slice(0, 100))}`,
    hint: `load ${PAGE_PATH} again`,
  });
}

function send(request: FastifyRequest, reply: FastifyReply, asset: Asset): FastifyReply {
  const keep = asset.isFixed ? 'public, max-age=31536000, immutable' : 'no-cache';
  reply.headers({ ...HEADERS, etag: asset.etag, 'cache-control': keep });
  if (request.headers['if-none-match'] === asset.etag) return reply.code(304).send();
  return reply.type(asset.type).send(asset.body);
}
