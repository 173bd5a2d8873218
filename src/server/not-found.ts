/** Paths that do not exist, and methods that a path does not have. */
import type { FastifyReply, FastifyRequest, RouteOptions } from 'fastify';
import { TidelockError } from '../core/errors.ts';

/** Which methods each path has. */
export class RouteTable {
  readonly #methods = new Map<string, Set<string>>();

  /** Pass to Fastify's `onRoute` hook. */
  note(route: Pick<RouteOptions, 'url' | 'method'>): void {
    const methods = this.#methods.get(route.url) ?? new Set();
    for (const method of [route.method].flat()) methods.add(method);
    this.#methods.set(route.url, methods);
  }

  /** Methods of the path, or null when there is no such path. */
  methodsOf(path: string): readonly string[] | null {
    for (const [pattern, methods] of this.#methods) {
      if (matches(pattern, path)) return [...methods, 'OPTIONS'];
    }
    return null;
  }
}

/** `OPTIONS` gets the list of methods; everything else that has no route an error. */
export async function answerUnknown(
  routes: RouteTable,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const path = request.url.split('?', 1)[0] ?? '';
  const methods = routes.methodsOf(path);
  if (methods === null) {
    throw new TidelockError({
      code: 'NOT_FOUND',
      message: `there is nothing at ${JSON.stringify(path.slice(0, 100))}`,
      hint: 'the paths are listed in /openapi.json',
    });
  }
  const allow = methods.join(', ');
  reply.header('allow', allow);
  if (request.method === 'OPTIONS') return await reply.code(204).send();
  throw new TidelockError({
    code: 'METHOD_NOT_ALLOWED',
    message: `${path} has no ${request.method}`,
    hint: `use ${allow}`,
  });
}

function matches(pattern: string, path: string): boolean {
  const parts = path.split('/');
  const wanted = pattern.split('/');
  return (
    parts.length === wanted.length &&
    wanted.every((part, index) => part.startsWith(':') || part === parts[index])
  );
}
