/** A child process that answers requests, for benchmarks whose sides must not share an event loop. */
import { type ChildProcess, fork } from 'node:child_process';

type Request = { readonly id: number; readonly name: string; readonly argument: unknown };
type Reply = { readonly id: number; readonly result?: unknown; readonly error?: string };

/** As `bin/tidelock serve` starts itself. */
export const SERVER_FLAGS: readonly string[] = ['--max-semi-space-size=8'];

export class Peer {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<
    number,
    { resolve: (value: unknown) => void; reject: (error: Error) => void }
  >();
  #nextId = 1;

  constructor(file: string, role: string, flags: readonly string[] = []) {
    this.#child = fork(file, [role], {
      execArgv: ['--expose-gc', '--disable-warning=ExperimentalWarning', ...flags],
    });
    this.#child.on('message', (reply: Reply) => {
      const waiting = this.#waiting.get(reply.id);
      this.#waiting.delete(reply.id);
      if (reply.error === undefined) waiting?.resolve(reply.result);
      else waiting?.reject(new Error(reply.error));
    });
    this.#child.on('exit', (code) => {
      for (const { reject } of this.#waiting.values())
        reject(new Error(`${role} exited with ${code}`));
    });
  }

  call<T>(name: string, argument?: unknown): Promise<T> {
    const id = this.#nextId++;
    return new Promise<T>((resolve, reject) => {
      this.#waiting.set(id, { resolve: (value) => resolve(value as T), reject });
      this.#child.send({ id, name, argument } satisfies Request);
    });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  stop(): void {
    this.#child.kill('SIGKILL');
  }
}

/** The child's side. */
export function answer(handlers: Readonly<Record<string, (argument: never) => unknown>>): void {
  process.on('disconnect', () => process.exit());
  process.on('message', async (request: Request) => {
    const reply: { id: number; result?: unknown; error?: string } = { id: request.id };
    try {
      const handler = handlers[request.name];
      if (handler === undefined) throw new Error(`no handler for ${request.name}`);
      reply.result = await handler(request.argument as never);
    } catch (error) {
      reply.error = error instanceof Error ? (error.stack ?? error.message) : String(error);
    }
    process.send?.(reply);
  });
}

/** Resident memory after garbage collection. */
export async function settledRss(): Promise<number> {
  for (let round = 0; round < 3; round += 1) {
    globalThis.gc?.();
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  return process.memoryUsage.rss();
}
