/** TAIL and SUBSCRIBE, cursors, EXPLAIN. */
import { notSupported } from '../errors.ts';
import type { Form, RelationOf } from '../statement.ts';
import { readAsOf } from './as-of.ts';
import { durationMs, flagOf, readName, readOptions } from './names.ts';
import type { TokenReader } from './tokens.ts';
import { parseSelect } from './tree.ts';

/** `TAIL v [WITH (...)] [AS OF ...]`, `SUBSCRIBE [TO] (query) ...`; options and time in either order. */
export function readSubscribe(reader: TokenReader, sql: string): Form {
  if (reader.expectOneOf(['tail', 'subscribe']) === 'subscribe') reader.takes('to');
  const relation = readRelation(reader, sql);
  const options = reader.takes('with') ? readOptions(reader, ['progress', 'snapshot']) : null;
  return {
    kind: 'subscribe',
    relation,
    asOf: readAsOf(reader, sql),
    hasProgress: flagOf(options?.get('progress'), false),
    hasSnapshot: flagOf(options?.get('snapshot'), true),
  };
}

function readRelation(reader: TokenReader, sql: string): RelationOf {
  if (!reader.sees('(')) return { kind: 'name', name: readName(reader) };
  const start = reader.offset;
  let depth = 0;
  let end = start;
  do {
    const token = reader.take();
    if (token.kind === 'symbol') depth += token.value === '(' ? 1 : token.value === ')' ? -1 : 0;
    end = token.end;
  } while (depth > 0);
  return { kind: 'query', select: parseSelect(sql.slice(start, end), start) };
}

/** `DECLARE c [NO SCROLL] CURSOR [WITHOUT HOLD] FOR`. */
export function readDeclareHead(reader: TokenReader): string {
  reader.expect('declare');
  const cursor = reader.name();
  const { offset } = reader;
  reader.takes('no', 'scroll');
  if (reader.sees('scroll') || reader.sees('binary') || reader.sees('insensitive')) {
    throw notSupported(`a ${reader.name().toUpperCase()} cursor`, offset);
  }
  reader.expect('cursor');
  if (reader.sees('with', 'hold')) throw notSupported('a cursor WITH HOLD', reader.offset);
  reader.takes('without', 'hold');
  reader.expect('for');
  return cursor;
}

/** `FETCH [FORWARD] [n | ALL | NEXT] [FROM | IN] c [WITH (timeout = '1s')]`. */
export function readFetch(reader: TokenReader): Form {
  reader.expect('fetch');
  const isForward = reader.takes('forward');
  const count = readCount(reader);
  const hasFrom = reader.takes('from') || reader.takes('in');
  if (!isForward && !hasFrom && reader.sees('backward')) {
    throw notSupported('FETCH BACKWARD', reader.offset);
  }
  const cursor = reader.name();
  const timeout = reader.takes('with')
    ? readOptions(reader, ['timeout']).get('timeout')
    : undefined;
  const timeoutMs = timeout === undefined ? null : durationMs(timeout);
  return { kind: 'fetch', cursor, count, timeoutMs };
}

function readCount(reader: TokenReader): number | null {
  if (reader.takes('all')) return null;
  if (reader.next?.kind === 'number') return reader.count();
  reader.takes('next');
  return 1;
}

export function readClose(reader: TokenReader): Form {
  reader.expect('close');
  return { kind: 'closeCursor', cursor: reader.takes('all') ? null : reader.name() };
}

/** `EXPLAIN [PLAN | TIMESTAMP] [FOR]`: what is asked for; the statement follows. */
export function readExplain(reader: TokenReader): 'plan' | 'timestamp' {
  reader.expect('explain');
  if (reader.sees('analyze') || reader.sees('(')) {
    throw notSupported('EXPLAIN with options', reader.offset);
  }
  const isTimestamp = reader.takes('timestamp');
  if (!isTimestamp) reader.takes('plan');
  reader.takes('for');
  return isTimestamp ? 'timestamp' : 'plan';
}
