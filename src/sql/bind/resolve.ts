/** Which of several functions or operators of one name is meant: PostgreSQL's rules, in their order. */
import type { SqlType } from '../types.ts';
import { canCoerce, categoryOf, isPreferred } from './coerce.ts';

export type Candidate = { readonly args: readonly SqlType[] };

/** `none`: nothing fits. `ambiguous`: several fit equally well. */
export function resolve<C extends Candidate>(
  candidates: readonly C[],
  actual: readonly SqlType[],
): C | 'none' | 'ambiguous' {
  const sized = candidates.filter(({ args }) => args.length === actual.length);
  const exact = findExact(sized, actual) ?? findExact(sized, likeTheOther(actual));
  if (exact !== undefined) return exact;
  const fitting = sized.filter(({ args }) =>
    args.every((type, index) => canCoerce(actual[index] ?? 'unknown', type, 'implicit')),
  );
  if (fitting.length === 0) return 'none';
  return choose(fitting, actual) ?? 'ambiguous';
}

function findExact<C extends Candidate>(
  candidates: readonly C[],
  actual: readonly SqlType[],
): C | undefined {
  return candidates.find(({ args }) => args.every((type, index) => type === actual[index]));
}

/** Of two arguments, one without a type is first taken to be of the other's. */
function likeTheOther(actual: readonly SqlType[]): readonly SqlType[] {
  const [a, b] = actual;
  if (actual.length !== 2 || a === undefined || b === undefined) return actual;
  return a === 'unknown' ? [b, b] : b === 'unknown' ? [a, a] : actual;
}

function choose<C extends Candidate>(fitting: readonly C[], actual: readonly SqlType[]): C | null {
  const exactest = keepBest(fitting, actual, (type, given) => type === given);
  if (exactest.length === 1) return exactest[0] ?? null;
  const preferred = keepBest(
    exactest,
    actual,
    (type, given) =>
      type === given || (isPreferred(type) && categoryOf(type) === categoryOf(given)),
  );
  if (preferred.length === 1) return preferred[0] ?? null;
  if (!actual.includes('unknown')) return null;
  const guessed = guessUnknown(preferred, actual);
  if (guessed.length === 1) return guessed[0] ?? null;
  return likeAllOthers(guessed, actual);
}

/** Those with the most arguments of known type for which `counts`. */
function keepBest<C extends Candidate>(
  candidates: readonly C[],
  actual: readonly SqlType[],
  counts: (type: SqlType, given: SqlType) => boolean,
): readonly C[] {
  const scores = candidates.map(
    ({ args }) =>
      args.filter((type, index) => {
        const given = actual[index] ?? 'unknown';
        return given !== 'unknown' && counts(type, given);
      }).length,
  );
  const best = Math.max(...scores);
  return candidates.filter((_, index) => scores[index] === best);
}

/** An argument without a type is text if some candidate takes text, else of the category that all agree on. */
function guessUnknown<C extends Candidate>(
  candidates: readonly C[],
  actual: readonly SqlType[],
): readonly C[] {
  let left = candidates;
  for (const [index, given] of actual.entries()) {
    if (given !== 'unknown') continue;
    const types = candidates.map(({ args }) => args[index] ?? 'unknown');
    const categories = new Set(types.map(categoryOf));
    const category = categories.has('string') ? 'string' : [...categories][0];
    if (!categories.has('string') && categories.size > 1) return candidates;
    const hasPreferred = types.some((type) => categoryOf(type) === category && isPreferred(type));
    const kept = left.filter(({ args }) => {
      const type = args[index] ?? 'unknown';
      return categoryOf(type) === category && (!hasPreferred || isPreferred(type));
    });
    if (kept.length > 0) left = kept;
  }
  return left;
}

/** When all that is known is of one type, the rest is taken to be of it. */
function likeAllOthers<C extends Candidate>(
  candidates: readonly C[],
  actual: readonly SqlType[],
): C | null {
  const types = new Set(actual.filter((type) => type !== 'unknown'));
  const [only] = types;
  if (only === undefined || types.size > 1) return null;
  const assumed = actual.map(() => only);
  const fitting = candidates.filter(({ args }) =>
    args.every((type, index) => canCoerce(assumed[index] ?? only, type, 'implicit')),
  );
  return fitting.length === 1 ? (fitting[0] ?? null) : null;
}
