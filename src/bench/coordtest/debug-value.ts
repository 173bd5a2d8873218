/** The pretty debug form of Rust (`{:#?}`): what the historic scripts show. */
import { unreachable } from '../../core/assert.ts';

export type DebugValue =
  /** A number, a unit variant: as it is. */
  | { readonly kind: 'word'; readonly text: string }
  | { readonly kind: 'string'; readonly text: string }
  | { readonly kind: 'list'; readonly values: readonly DebugValue[] }
  | { readonly kind: 'tuple'; readonly name: string; readonly values: readonly DebugValue[] }
  | {
      readonly kind: 'struct';
      readonly name: string;
      readonly fields: readonly (readonly [name: string, value: DebugValue])[];
    }
  /** Written by hand in the original: `Row{[` ... `]}`. */
  | { readonly kind: 'row'; readonly values: readonly DebugValue[] };

export function word(text: string | number | boolean): DebugValue {
  return { kind: 'word', text: String(text) };
}

export function tuple(name: string, ...values: readonly DebugValue[]): DebugValue {
  return { kind: 'tuple', name, values };
}

export function struct(name: string, fields: Readonly<Record<string, DebugValue>>): DebugValue {
  return { kind: 'struct', name, fields: Object.entries(fields) };
}

/** Four spaces a level, a comma after each part; without a newline at the end. */
export function debugText(value: DebugValue): string {
  switch (value.kind) {
    case 'word':
      return value.text;
    case 'string':
      return quoted(value.text);
    case 'list':
      return enclosed('[', value.values.map(debugText), ']');
    case 'tuple':
      return enclosed(`${value.name}(`, value.values.map(debugText), ')');
    case 'struct': {
      const fields = value.fields.map(([name, field]) => `${name}: ${debugText(field)}`);
      return enclosed(`${value.name} {`, fields, '}');
    }
    case 'row':
      return enclosed('Row{[', value.values.map(debugText), ']}');
    default:
      return unreachable(value);
  }
}

function enclosed(open: string, parts: readonly string[], close: string): string {
  if (parts.length === 0) return `${open}${close}`;
  const lines = parts.map((part) => `    ${part.replaceAll('\n', '\n    ')},\n`);
  return `${open}\n${lines.join('')}${close}`;
}

/** Escapes as Rust does: the usual ones by letter, other control characters by number. */
function quoted(text: string): string {
  const escaped = text.replace(/["\\\n\r\t\0]/g, (char) => ESCAPES.get(char) ?? char);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is escaped.
  const visible = escaped.replace(/[\u0001-\u001f\u007f-\u009f]/g, (char) => {
    return `\\u{${char.charCodeAt(0).toString(16)}}`;
  });
  return `"${visible}"`;
}

const ESCAPES: ReadonlyMap<string, string> = new Map([
  ['"', '\\"'],
  ['\\', '\\\\'],
  ['\n', '\\n'],
  ['\r', '\\r'],
  ['\t', '\\t'],
  ['\0', '\\0'],
]);
