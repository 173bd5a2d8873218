import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { describe, expect, test } from 'vitest';
import { SETTING_LIST, type Settings } from '../../../src/cli/config.ts';
import {
  addSettingFlags,
  type ConfigSources,
  loadSettings,
  redacted,
  settingsHelp,
  withoutPassword,
} from '../../../src/cli/config-load.ts';
import { dataDirOf, engineOptionsOf, serverConfigOf } from '../../../src/cli/config-parts.ts';
import { DEFAULT_LIMITS, NO_TOKENS } from '../../../src/server/config.ts';

function load(change: Partial<ConfigSources> = {}): Settings {
  return loadSettings({ file: undefined, environment: {}, flags: {}, ...change });
}

function fileWith(content: unknown): string {
  const file = join(mkdtempSync(join(tmpdir(), 'tidelock-config-')), 'tidelock.json');
  writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content));
  return file;
}

function problemsOf(change: Partial<ConfigSources>): string {
  try {
    load(change);
  } catch (error) {
    expect(error).toMatchObject({ code: 'BAD_CONFIG' });
    return (error as Error).message;
  }
  throw new Error('the settings were accepted');
}

describe('the settings', () => {
  test('without any source are the defaults of the server', () => {
    const settings = load();
    expect(serverConfigOf(settings)).toEqual({
      ...{ host: '127.0.0.1', port: 7700, heartbeatS: 5 },
      ...{ limits: DEFAULT_LIMITS, tokens: NO_TOKENS },
    });
  });

  test('come from flags before the environment, before the file, before the defaults', () => {
    const file = fileWith({ port: 1, slot: 'from_file', host: 'file', leaseS: '2h' });
    const environment = { TIDELOCK_PORT: '2', TIDELOCK_SLOT: 'from_environment' };
    const settings = load({ file, environment, flags: { port: '3' } });
    expect(settings).toMatchObject({
      ...{ port: 3, slot: 'from_environment', host: 'file', leaseS: 7200, heartbeatS: 5 },
    });
  });

  test('every setting can be given in the environment under a name made from its key', () => {
    for (const { name, env } of SETTING_LIST) {
      expect(env).toBe(
        `TIDELOCK_${name.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`,
      );
    }
  });

  test('tables are declared by flags, by one variable, or in the file', () => {
    const wanted = [
      { name: 'public.cities', selector: "coalesce(country, 'none')" },
      { name: 'public.kinds', selector: '*' },
    ];
    const texts = wanted.map(({ name, selector }) => `${name}=${selector}`);
    expect(load({ flags: { table: texts } }).tables).toEqual(wanted);
    expect(load({ environment: { TIDELOCK_TABLES: texts.join('; ') } }).tables).toEqual(wanted);
    expect(load({ file: fileWith({ tables: wanted }) }).tables).toEqual(wanted);
    expect(load({ file: fileWith({ tables: texts }) }).tables).toEqual(wanted);
  });

  test('sizes and times may have units', () => {
    const environment = {
      ...{ TIDELOCK_LOG_BYTES_MAX: '2g', TIDELOCK_TAIL_BYTES_MAX: '64 MiB' },
      ...{ TIDELOCK_KEEP_S: '10m', TIDELOCK_LEASE_S: '7d', TIDELOCK_STALL_S: '30' },
    };
    expect(load({ environment })).toMatchObject({
      ...{ logBytesMax: 2 * 1024 ** 3, tailBytesMax: 64 * 1024 ** 2 },
      ...{ keepS: 600, leaseS: 604_800, stallS: 30 },
    });
  });

  test('several token secrets come in one variable', () => {
    const environment = { TIDELOCK_TOKEN_SECRETS: 'new-secret, old-secret' };
    expect(load({ environment }).tokenSecrets).toEqual(['new-secret', 'old-secret']);
  });
});

describe('wrong settings', () => {
  test('are all reported at once, each with where it came from', () => {
    const file = fileWith({ port: 99_999, prot: 1, tables: ['cities=country'] });
    const environment = { TIDELOCK_LOG_LEVEL: 'loud', TIDELOCK_HSOT: 'x' };
    const text = problemsOf({ file, environment, flags: { keep: 'soon' } });
    expect(text).toContain('6 settings are wrong');
    expect(text).toContain(`port (${file})`);
    expect(text).toContain(`prot (${file}): there is no such setting; did you mean port?`);
    expect(text).toContain('tables.0.name');
    expect(text).toContain('logLevel (TIDELOCK_LOG_LEVEL)');
    expect(text).toContain('TIDELOCK_HSOT: there is no such setting; did you mean TIDELOCK_HOST?');
    expect(text).toContain('keepS (--keep)');
  });

  test('a selector rule that cannot be parsed is refused with the reason', () => {
    expect(problemsOf({ flags: { table: ['public.t=lower(a)'] } })).toContain('lower');
    expect(problemsOf({ flags: { table: ['public.t'] } })).toContain('expression over the row');
  });

  test('a file that is missing, no JSON, or no object is refused with its name', () => {
    expect(problemsOf({ file: '/nowhere/x.json' })).toContain('/nowhere/x.json');
    for (const content of ['{', '[]', 'null', '7']) {
      const file = fileWith(content);
      expect(problemsOf({ file })).toContain(file);
    }
  });

  test('a number of another type is refused', () => {
    for (const port of [true, null, [7700], '7700x', 1.5, -1, '']) {
      expect(problemsOf({ file: fileWith({ port }) })).toContain('port');
    }
  });

  test('variables of other programs are left alone', () => {
    const environment = { TIDELOCK_TOKEN: 'x', TIDELOCK_LAUNCHED: '1', PATH: '/bin' };
    expect(() => load({ environment })).not.toThrow();
  });
});

describe('what is shown', () => {
  test('never has a secret in it', () => {
    const flags = { postgres: 'postgres://app:hunter2@db.example/shop?sslmode=require' };
    const environment = { TIDELOCK_TOKEN_SECRETS: 'very-secret-one, very-secret-two' };
    const shown = JSON.stringify(redacted(load({ flags, environment })));
    expect(shown).not.toMatch(/hunter2|very-secret/);
    expect(shown).toContain('postgres://app:***@db.example/shop?sslmode=require');
    expect(shown).toContain('["***","***"]');
  });

  test('a password in the query of a URL is covered too', () => {
    expect(withoutPassword('postgres://h/db?password=hunter2')).not.toContain('hunter2');
    expect(withoutPassword('not a url with hunter2')).toBe('***');
  });

  test('the help names every setting, its variable and its default', () => {
    const help = settingsHelp();
    for (const { name, env } of SETTING_LIST) {
      expect(help).toContain(name);
      expect(help).toContain(env);
    }
    expect(help).toContain('(default: 7700)');
  });

  test('secrets have no flag, because other users of the machine can see flags', () => {
    const command = addSettingFlags(new Command('serve'));
    const flags = command.options.map(({ long }) => long);
    expect(flags).toContain('--port');
    expect(flags).toContain('--table');
    expect(flags.filter((flag) => flag?.includes('secret'))).toEqual([]);
  });
});

describe('the parts', () => {
  test('of the engine get its limits and tables', () => {
    const settings = load({ flags: { table: ['public.t=a'], lease: '1h', data: '/srv/t' } });
    expect(engineOptionsOf(settings, 'postgres://h/db')).toMatchObject({
      ...{ url: 'postgres://h/db', dir: '/srv/t', slot: 'tidelock', publication: 'tidelock' },
      tables: [{ name: 'public.t', selector: { kind: 'expression', text: 'a' } }],
      policy: { leaseS: 3600, keepS: 3600 },
    });
  });

  test('the log lives beside the embedded Postgres unless told otherwise', () => {
    expect(dataDirOf(load({ flags: { embedded: '/srv/pg' } }))).toBe('/srv/pg/tidelock');
    expect(dataDirOf(load({ flags: { embedded: '/srv/pg', data: '/srv/log' } }))).toBe('/srv/log');
    expect(dataDirOf(load())).toBe(join(process.cwd(), 'tidelock-data'));
  });
});
