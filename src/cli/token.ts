/** `tidelock token`: issues a token with the shared secret of the server. */
import type { Command } from 'commander';
import { systemClock } from '../server/clock.ts';
import { issueToken, RESERVED_CLAIMS, type TokenScope } from '../server/tokens.ts';
import { SETTINGS } from './config.ts';
import { addSettingFlags, badConfig, loadSettings } from './config-load.ts';
import { collect } from './options.ts';

type TokenFlags = Readonly<Record<string, unknown>> & {
  readonly config?: string;
  readonly selector?: readonly string[];
  readonly anySelector?: boolean;
  readonly claim?: readonly string[];
  readonly write?: boolean;
  readonly scope: string;
  readonly subject: string;
  readonly expires: string;
  readonly json?: boolean;
};

const SCOPES: readonly TokenScope[] = ['read', 'write', 'admin'];

export function register(program: Command): void {
  const command = program
    .command('token')
    .description('issue a token, signed with the first secret of TIDELOCK_TOKEN_SECRETS')
    .option('--selector <selector>', 'a selector that it covers; repeatable', collect)
    .option('--any-selector', 'it covers every selector')
    .option(
      '--write',
      'for a user of two-way tables: scopes read and write, selectors by user and claims',
    )
    .option('--claim <name=value>', 'a claim for policies; JSON or a text; repeatable', collect)
    .option('--scope <scopes>', 'read, write, admin, or several', 'read')
    .option('--subject <name>', 'who it is for: the user id of policies', 'cli')
    .option('--expires <time>', 'how long it is good: 1h, 30d', '30d')
    .option('--json', 'print one JSON object');
  addSettingFlags(command, []).action(run);
}

async function run(flags: TokenFlags): Promise<void> {
  const settings = loadSettings({ file: flags.config, environment: process.env, flags: {} });
  const [secret] = settings.tokenSecrets;
  const problems = problemsOf(flags, secret);
  const claims = claimsOf(flags.claim ?? [], problems);
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
      scopes: scopesOf(flags.write === true ? `${flags.scope} read write` : flags.scope),
      claims,
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
  const hasSelector = flags.selector !== undefined;
  const hasAny = flags.anySelector === true;
  if (hasAny ? hasSelector : !hasSelector && flags.write !== true) {
    problems.push('--selector: name selectors, or take --any-selector');
  }
  const unknown = flags.scope
    .split(/[\s,]+/)
    .find((scope) => !(SCOPES as readonly string[]).includes(scope));
  if (unknown !== undefined) problems.push(`--scope: ${unknown} is none of read, write and admin`);
  return problems;
}

function scopesOf(text: string): readonly TokenScope[] {
  const words = text.split(/[\s,]+/);
  return SCOPES.filter((scope) => words.includes(scope));
}

/** `org=7` is a number, `org=seven` a text, `orgs=["a","b"]` a list. */
function claimsOf(texts: readonly string[], problems: string[]): Record<string, unknown> {
  const claims: Record<string, unknown> = {};
  for (const text of texts) {
    const equals = text.indexOf('=');
    const name = text.slice(0, equals);
    if (equals < 1 || RESERVED_CLAIMS.includes(name))
      problems.push(`--claim: ${text} is no name=value of a claim of your own`);
    else claims[name] = jsonOrText(text.slice(equals + 1));
  }
  return claims;
}

function jsonOrText(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}
