/** Arrays of texts in one dimension, as PostgreSQL prints and reads them: `{a,"b c",NULL}`. */
import { notSupported, sqlError } from '../errors.ts';

export type TextArray = readonly (string | null)[];

export function formatArray(elements: TextArray): string {
  return `{${elements.map((one) => (one === null ? 'NULL' : quoted(one))).join(',')}}`;
}

const quoted = (text: string): string =>
  text === '' || /[{}",\\\s]/.test(text) || text.toUpperCase() === 'NULL'
    ? `"${text.replace(/["\\]/g, '\\$&')}"`
    : text;

/** A quoted element, or one as it stands. */
const ELEMENT = /\s*(?:"((?:[^"\\]|\\.)*)"|((?:[^{}",\\\s]|\\.)(?:[^{}",\\]|\\.)*?))\s*([,}])/suy;

/** Throws 22P02, and 0A000 for more than one dimension. */
export function parseArray(text: string): TextArray {
  const body = /^\s*\{(.*)\}\s*$/su.exec(text)?.[1];
  if (body === undefined) throw malformed(text);
  if (body.trim() === '') return [];
  if (/^\s*\{/u.test(body)) throw notSupported('an array of several dimensions');
  const elements: (string | null)[] = [];
  const whole = `${body}}`;
  ELEMENT.lastIndex = 0;
  while (ELEMENT.lastIndex < whole.length) {
    const found = ELEMENT.exec(whole);
    if (found === null) throw malformed(text);
    const [, inQuotes, bare, end] = found;
    elements.push(elementOf(inQuotes, bare ?? ''));
    if ((end === '}') !== (ELEMENT.lastIndex === whole.length)) throw malformed(text);
  }
  return elements;
}

function elementOf(inQuotes: string | undefined, bare: string): string | null {
  if (inQuotes === undefined && bare.toUpperCase() === 'NULL') return null;
  return (inQuotes ?? bare).replace(/\\(.)/gsu, '$1');
}

const malformed = (text: string): Error => sqlError('22P02', `malformed array literal: "${text}"`);
