/** Constants as they are written. */
import { notSupported } from '../errors.ts';
import type { Node } from '../pg-parser.ts';
import type { Expression } from '../plan.ts';
import { isIn } from '../values/integer.ts';
import { formatNumeric, toNumeric } from '../values/numeric.ts';
import { constant } from './coerce.ts';

type Written = Extract<Node, { A_Const: unknown }>['A_Const'];

/** Text has no type of its own: the context decides. */
export function readConstant(written: Written): Expression {
  if (written.isnull) return constant('unknown', null);
  if (written.sval !== undefined) return constant('unknown', written.sval.sval ?? '');
  if (written.boolval !== undefined) return constant('bool', written.boolval.boolval ?? false);
  if (written.ival !== undefined) return constant('int4', written.ival.ival ?? 0);
  if (written.fval !== undefined) return readNumber(written.fval.fval ?? '0');
  throw notSupported('a bit string', written.location);
}

/** The smallest type that holds it. */
function readNumber(text: string): Expression {
  if (/^-?\d+$/.test(text)) {
    const whole = BigInt(text);
    if (isIn('int4', whole)) return constant('int4', Number(whole));
    if (isIn('int8', whole)) return constant('int8', whole);
  }
  if (/^0[xob]/i.test(text) || text.includes('_')) throw notSupported(`the number ${text}`);
  return constant('numeric', formatNumeric(toNumeric(text)));
}
