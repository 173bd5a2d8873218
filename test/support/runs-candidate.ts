/**
 * A candidate for the lead of an area, in a process of its own. Ends with 0 when another one leads.
 *
 *   node runs-candidate.ts '<{ area, tempDir }>'
 */
import { serveRuns } from '../../src/runs/serving.ts';

export type CandidateNews =
  | { readonly kind: 'leads'; readonly url: string }
  | { readonly kind: 'lost'; readonly pid: number }
  | { readonly kind: 'ends'; readonly reason: string };

function say(news: CandidateNews): void {
  process.send?.(news);
}

async function run(settings: { readonly area: string; readonly tempDir: string }): Promise<void> {
  process.on('disconnect', () => process.exit(0));
  const served = await serveRuns({
    home: { ...settings, hostId: 'bench' },
    prepare: async () => {
      const [{ DEFAULT_LIMITS, NO_TOKENS }, { createLog }] = await Promise.all([
        ...([import('../../src/server/config.ts'), import('../../src/server/log.ts')] as const),
      ]);
      const config = { host: '127.0.0.1', port: 0, heartbeatS: 1, tokens: NO_TOKENS };
      return { config: { ...config, limits: DEFAULT_LIMITS }, log: createLog('silent', () => {}) };
    },
    onEnd: (reason) => say({ kind: 'ends', reason }),
  });
  if (served.isLeader) say({ kind: 'leads', url: served.serving.url });
  else {
    say({ kind: 'lost', pid: served.holder.pid });
    process.disconnect();
  }
}

await run(JSON.parse(process.argv[2] ?? '{}') as { area: string; tempDir: string });
