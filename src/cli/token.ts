/** `tidelock token`: issues a token with the shared secret of the server. */
import type { Command } from 'commander';
import { systemClock } from '../server/clock.ts';
import { issueToken, type TokenScope } from '../server/tokens.ts';
import { SETTINGS } from './config.ts';
import { addSettingFlags, badConfig, loadSettings } from './config-load.ts';
import { collect } from './options.ts';

type TokenFlags = Readonly<Record<string, unknown>> & {
  readonly config?: string;
  readonly selector?: readonly string[];
  readonly anySelector?: boolean;
  readonly scope: string;
  readonly subject: string;
  readonly expires: string;
  readonly json?: boolean;
};

const SCOPES: readonly string[] = ['read', 'admin'] satisfies TokenScope[];

export function register(program: Command): void {
  const command = program
    .command('token')
    .description('issue a token, signed with the first secret of TIDELOCK_TOKEN_SECRETS')
    .option('--selector <selector>', 'a selector that it covers; repeatable', collect)
    .option('--any-selector', 'it covers every selector')
    .option('--scope <scopes>', 'read, admin, or both', 'read')
    .option('--subject <name>', 'who it is for', 'cli')
    .option('--expires <time>', 'how long it is good: 1h, 30d', '30d')
    .option('--json', 'print one JSON object');
  addSettingFlags(command, []).action(run);
}

async function run(flags: TokenFlags): Promise<void> {
  const settings = loadSettings({ file: flags.config, environment: process.env, flags: {} });
  const [secret] = settings.tokenSecrets;
  const problems = problemsOf(flags, secret);
  const lifetimeS = SETTINGS.shape.leaseS.safeParse(flags.expires).data;
  if (lifetimeS === undefined) problems.push(`--expires: ${flags.expires} is not a time like 30d`);
  if (problems.length > 0 || secret === undefined || lifetimeS === undefined) {
    throw badConfig(problems);
  }
  const token = await issueToken(
    {
      secret,
      subject: flags.subject,
      selectors: flags.anySelector === true ? 'any' : (flags.selector ?? []),
      scopes: scopesOf(flags.scope),
      lifetimeS,
      issuer: settings.tokenIssuer,
      audience: settings.tokenAudience,
    },
    systemClock,
  );
  console.log(flags.json === true ? JSON.stringify({ token, expiresInS: lifetimeS }) : token);
}

function problemsOf(flags: TokenFlags, secret: string | undefined): string[] {
  const problems: string[] = [];
  if (secret === undefined) {
    problems.push('tokenSecrets: none; set TIDELOCK_TOKEN_SECRETS to that of the server');
  }
  if ((flags.anySelector === true) === (flags.selector !== undefined)) {
    problems.push('--selector: name selectors, or take --any-selector');
  }
  const unknown = flags.scope.split(/[\s,]+/).find((scope) => !SCOPES.includes(scope));
  if (unknown !== undefined) problems.push(`--scope: ${unknown} is neither read nor admin`);
  return problems;
}

function scopesOf(text: string): readonly TokenScope[] {
  const words = text.split(/[\s,]+/);
  return (['read', 'admin'] satisfies TokenScope[]).filter((scope) => words.includes(scope));
}
