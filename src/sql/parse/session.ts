/** Transaction control, SHOW and SET. */

import { notSupported } from '../errors.ts';
import type { Form } from '../statement.ts';
import { readName } from './names.ts';
import type { Token, TokenReader } from './tokens.ts';

/** Null when it is none. */
export function readTransaction(reader: TokenReader): Form | null {
  if (reader.takes('begin')) {
    takesNoise(reader);
    return { kind: 'begin', isReadOnly: readModes(reader) };
  }
  if (reader.takes('start', 'transaction')) return { kind: 'begin', isReadOnly: readModes(reader) };
  if (reader.takes('commit') || reader.takes('end')) return readEnd(reader, 'commit');
  if (reader.takes('rollback') || reader.takes('abort')) return readEnd(reader, 'rollback');
  return null;
}

const takesNoise = (reader: TokenReader): boolean =>
  reader.takes('work') || reader.takes('transaction');

function readEnd(reader: TokenReader, kind: 'commit' | 'rollback'): Form {
  takesNoise(reader);
  if (reader.sees('to') || reader.sees('prepared')) {
    throw notSupported('a savepoint or prepared transaction', reader.offset);
  }
  if (reader.sees('and', 'chain')) throw notSupported('AND CHAIN', reader.offset);
  reader.takes('and', 'no', 'chain');
  return { kind };
}

/** Isolation is always serializable, so every level that is asked for is given. */
function readModes(reader: TokenReader): boolean {
  let isReadOnly = false;
  while (!reader.isAtEnd) {
    if (reader.takes('read', 'only')) isReadOnly = true;
    else if (reader.takes('isolation', 'level')) readLevel(reader);
    else reader.expect('read', 'write');
    reader.takes(',');
  }
  return isReadOnly;
}

function readLevel(reader: TokenReader): void {
  const isLevel =
    reader.takes('serializable') ||
    reader.takes('repeatable', 'read') ||
    reader.takes('read', 'committed') ||
    reader.takes('read', 'uncommitted');
  if (!isLevel) throw reader.failure();
}

/**
 * `SHOW TABLES [FROM schema]`, `SHOW COLUMNS FROM t`, `SHOW CREATE VIEW v`, `SHOW name`: `what` is the words in
 * lower case up to FROM or the name.
 */
export function readShow(reader: TokenReader): Form {
  reader.expect('show');
  if (reader.takes('create')) {
    const object = reader.expectOneOf(['view', 'source', 'table', 'sink', 'index']);
    return { kind: 'show', what: `create ${object}`, of: readName(reader) };
  }
  const words = [reader.name()];
  while (!reader.isAtEnd && !reader.sees('from') && !reader.sees('in')) {
    words.push(reader.takes('.') ? '.' : reader.name());
  }
  const hasName = reader.takes('from') || reader.takes('in');
  const what = words.join(' ').replaceAll(' . ', '.').toLowerCase();
  return { kind: 'show', what, of: hasName ? readName(reader) : null };
}

/** `SET [SESSION | LOCAL] name {= | TO} value`, `SET TRANSACTION ...`, `RESET name`. */
export function readSet(reader: TokenReader, sql: string): Form {
  if (reader.takes('reset')) return { kind: 'set', variable: readVariable(reader), value: null };
  reader.expect('set');
  const { offset } = reader;
  if (!reader.takes('session')) reader.takes('local');
  if (reader.sees('transaction') || reader.sees('characteristics')) {
    throw notSupported('SET TRANSACTION', offset);
  }
  if (reader.takes('time', 'zone'))
    return { kind: 'set', variable: 'timezone', value: values(reader, sql) };
  const variable = readVariable(reader);
  if (!reader.takes('=')) reader.expect('to');
  if (reader.takes('default')) return { kind: 'set', variable, value: null };
  return { kind: 'set', variable, value: values(reader, sql) };
}

function readVariable(reader: TokenReader): string {
  return readName(reader).parts.join('.').toLowerCase();
}

function values(reader: TokenReader, sql: string): string {
  const list = [value(reader, sql)];
  while (reader.takes(',')) list.push(value(reader, sql));
  return list.join(', ');
}

function value(reader: TokenReader, sql: string): string {
  if (reader.next?.kind === 'string') return reader.text();
  const sign = reader.takes('-') ? '-' : '';
  const token: Token = reader.take();
  if (token.kind === 'symbol') throw reader.failure();
  return `${sign}${token.kind === 'name' ? token.value : sql.slice(token.start, token.end)}`;
}
