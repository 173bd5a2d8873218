/** An area and the hosts that work on it, played with host ids: `tidelock runs` as their users call it. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished } from 'vitest';
import { Command } from './command.ts';
import { writtenArea } from './written-area.ts';

export class AwayWorld {
  readonly area: string;
  readonly #temp: string;

  constructor(tests: Readonly<Record<string, string>>) {
    this.area = writtenArea(tests);
    this.#temp = mkdtempSync(join(tmpdir(), 'tidelock-away-'));
    onTestFinished(() => rmSync(this.#temp, { recursive: true, force: true, maxRetries: 5 }));
  }

  on(host: string, args: readonly string[], environment: Record<string, string> = {}): Command {
    const words = ['runs', ...args, '--area', this.area, '--host-id', host];
    return new Command(words, { TMPDIR: this.#temp, ...environment });
  }

  /** On a host that is not the home. */
  far(...args: readonly string[]): Command {
    return this.on('far', args);
  }

  /** Of a command that ends well. */
  async text(command: Command): Promise<string> {
    expect(await command.exit(), command.stderr).toBe(0);
    return command.stdout;
  }

  async serve(environment: Record<string, string> = {}): Promise<Command> {
    const { server } = await this.serveOn('home', environment);
    return server;
  }

  async serveOn(
    host: string,
    environment: Record<string, string> = {},
  ): Promise<{ readonly server: Command; readonly url: string }> {
    const server = this.on(host, ['serve', '--json'], environment);
    const { url } = await server.line('it serves', ({ ready }) => ready === true);
    return { server, url: String(url) };
  }
}
