/** Window functions. Each stands for a column behind those of FROM until the row that has them is known. */
import { notSupported, sqlError } from '../errors.ts';
import { mapExpression } from '../map-plan.ts';
import type { FuncCall, Node, WindowDef } from '../pg-parser.ts';
import type { Expression, Plan, WindowCall } from '../plan.ts';
import { isNative } from '../storage.ts';
import { longName } from '../type-names.ts';
import type { SqlType } from '../types.ts';
import { isAggregate } from './aggregates.ts';
import { coerceTo, constant, known, unify } from './coerce.ts';
import { type BindExpression, type Context, required } from './context.ts';
import { columnAt } from './scope.ts';
import { readSortKey } from './sorting.ts';
import { type Frame, readFrame } from './window-frame.ts';

/** Window functions are bound to columns with this index and above. */
const WINDOW_BASE = 2_000_000;

/** Those whose answer depends on how rows that ORDER BY does not tell apart follow each other. */
const BY_ROW: ReadonlySet<string> = new Set(['row_number', 'ntile', 'lag', 'lead']);

const RANKS: ReadonlyMap<string, SqlType> = new Map([
  ['row_number', 'int8'],
  ['rank', 'int8'],
  ['dense_rank', 'int8'],
  ['percent_rank', 'float8'],
  ['cume_dist', 'float8'],
]);

const windowNames: readonly string[] = [
  ...RANKS.keys(),
  ...['ntile', 'lag', 'lead', 'first_value', 'last_value', 'nth_value'],
];

export const isWindowName = (name: string): boolean => windowNames.includes(name);

export function bindWindowCall(
  name: string,
  call: FuncCall,
  context: Context,
  bind: BindExpression,
): Expression {
  const offset = call.location;
  const { windows } = context;
  if (context.aggregates === 'an aggregate function') {
    const message = 'aggregate function calls cannot contain window function calls';
    throw sqlError('42803', message, { offset });
  }
  if (windows === null) {
    throw sqlError('42P20', 'window functions are not allowed here', { offset });
  }
  if (call.agg_distinct || call.agg_order)
    throw notSupported('DISTINCT or ORDER BY in a window', offset);
  const inside: Context = { ...context, windows: null };
  const definition = definitionOf(required(call.over), windows.named, offset);
  const args = (call.args ?? []).map((arg) => bind(arg, inside));
  const frame = readFrame(definition, offset);
  const place = { binding: context.binding, offset };
  const made = typed(name, args, call, { ...place, frame });
  const window: WindowCall = {
    ...made,
    partition: (definition.partitionClause ?? []).map((node) =>
      known(bind(node, inside), context.binding, offset),
    ),
    order: (definition.orderClause ?? []).map((node) => {
      const sort = required('SortBy' in node ? node.SortBy : undefined);
      return readSortKey(sort, bind(sort.node, inside), place);
    }),
    filter: call.agg_filter === undefined ? null : filterOf(call.agg_filter, inside, bind),
  };
  if (window.filter !== null && isWindowName(name)) {
    throw notSupported('FILTER of a function that is no aggregate', offset);
  }
  windows.calls.push(window);
  return columnAt(WINDOW_BASE + windows.calls.length - 1, window.type);
}

function filterOf(node: Node, context: Context, bind: BindExpression): Expression {
  return coerceTo(bind(node, context), 'bool', {
    ...{ binding: context.binding, offset: undefined, what: 'argument of FILTER' },
  });
}

/** `OVER w` is a window of the clause WINDOW. */
function definitionOf(
  over: WindowDef,
  named: readonly WindowDef[],
  offset: number | undefined,
): WindowDef {
  if (over.refname !== undefined) throw notSupported('a window made of another one', offset);
  if (over.name === undefined) return over;
  const found = named.find(({ name }) => name === over.name);
  if (found === undefined)
    throw sqlError('42704', `window "${over.name}" does not exist`, { offset });
  return found;
}

type Typed = Pick<WindowCall, 'name' | 'type' | 'args' | 'frame' | 'needsTies'>;
type Place = {
  readonly binding: Context['binding'];
  readonly offset: number | undefined;
  readonly frame: Frame;
};

function typed(name: string, args: readonly Expression[], call: FuncCall, place: Place): Typed {
  const { frame } = place;
  const rank = RANKS.get(name);
  if (rank !== undefined) {
    if (args.length > 0) throw noSuch(name, args, place);
    return { name, type: rank, args, frame: '', needsTies: BY_ROW.has(name) };
  }
  if (name === 'ntile') {
    return { name, type: 'int4', args: [count(args[0], name, place)], frame: '', needsTies: true };
  }
  if (name === 'lag' || name === 'lead') return shifted(name, args, place);
  if (isWindowName(name)) return ofFrame(name, args, place);
  return { ...aggregate(name, args, call, place), frame: frame.text, needsTies: frame.isByRows };
}

function shifted(name: string, args: readonly Expression[], place: Place): Typed {
  const [value, by, otherwise] = args;
  if (value === undefined || args.length > 3) throw noSuch(name, args, place);
  const distance = by === undefined ? constant('int4', 1) : count(by, name, place, 0);
  const values =
    otherwise === undefined
      ? [known(value, place.binding)]
      : unify([value, otherwise], name, place);
  const [first = value, last] = values;
  const all = last === undefined ? [first, distance] : [first, distance, last];
  return { name, type: first.type, args: all, frame: '', needsTies: true };
}

/** Of a frame by peers only what does not depend on their order. */
function ofFrame(name: string, args: readonly Expression[], place: Place): Typed {
  const { frame, offset } = place;
  const [value, number] = args;
  if (value === undefined || args.length !== (name === 'nth_value' ? 2 : 1))
    throw noSuch(name, args, place);
  const isFixed =
    frame.isByRows ||
    (name === 'first_value' && frame.startsUnbounded) ||
    (name === 'last_value' && frame.endsUnbounded);
  if (!isFixed) throw notSupported(`${name} over a frame that ends among equal rows`, offset);
  const whole = frame.isByRows ? frame.text : WHOLE;
  const first = known(value, place.binding);
  const all = number === undefined ? [first] : [first, count(number, name, place)];
  return { name, type: first.type, args: all, frame: whole, needsTies: true };
}

const WHOLE = 'ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING';

/** A number that is written. */
function count(arg: Expression | undefined, name: string, place: Place, least = 1): Expression {
  if (arg?.kind === 'constant' && arg.type === 'int4' && Number(arg.value) >= least) return arg;
  throw notSupported(`${name} with a number that is none, or none that is written`, place.offset);
}

const AGGREGATES: ReadonlySet<string> = new Set(['count', 'sum', 'avg', 'min', 'max']);
const WHOLE_NUMBERS: ReadonlySet<SqlType> = new Set(['int2', 'int4']);

function aggregate(
  name: string,
  args: readonly Expression[],
  call: FuncCall,
  place: Place,
): Pick<Typed, 'name' | 'type' | 'args'> {
  const [arg] = args;
  const isOther = isAggregate(name) && !AGGREGATES.has(name);
  if (isOther) throw notSupported(`${name} over a window`, place.offset);
  if (name === 'count') {
    if (call.agg_star) return { name, type: 'int8', args: [] };
    if (arg !== undefined && args.length === 1)
      return { name, type: 'int8', args: [known(arg, place.binding)] };
  }
  if (arg === undefined || args.length !== 1) throw noSuch(name, args, place);
  const isWhole = WHOLE_NUMBERS.has(arg.type);
  if (name === 'sum' && isWhole) return { name, type: 'int8', args };
  if (name === 'avg' && isWhole) return { name, type: 'numeric', args };
  const isOrdered = isNative(arg.type) && arg.type !== 'bool' && arg.type !== 'unknown';
  if ((name === 'min' || name === 'max') && isOrdered) return { name, type: arg.type, args };
  throw notSupported(`${name}(${longName(arg.type)}) over a window`, place.offset);
}

const noSuch = (name: string, args: readonly Expression[], { offset }: Place): Error =>
  sqlError(
    '42883',
    `function ${name}(${args.map(({ type }) => longName(type)).join(', ')}) does not exist`,
    {
      offset,
    },
  );

/** The row of FROM with what the windows give behind it. */
export function windowPlan(input: Plan, calls: readonly WindowCall[]): Plan {
  if (calls.length === 0) return input;
  const made = calls.map(({ name, type }) => ({ name, type, isNullable: true }));
  return { kind: 'window', columns: [...input.columns, ...made], input, calls };
}

/** Columns that stood for windows are those behind the row. */
export function placeWindows(expression: Expression, width: number): Expression {
  return mapExpression(expression, {
    plan: (plan) => plan,
    expression: (one) =>
      one.kind === 'column' && one.index >= WINDOW_BASE
        ? { ...one, index: one.index - WINDOW_BASE + width }
        : one,
  });
}

export const windowsOf = (clause: readonly Node[] | undefined): readonly WindowDef[] =>
  (clause ?? []).flatMap((node) => ('WindowDef' in node ? [node.WindowDef] : []));
