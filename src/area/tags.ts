/** Selection by tags: names with commas, any of which may match; `~` is true of a test without that tag. */
import { compilePatterns, matches } from './patterns.ts';

/** Throws BAD_REQUEST. An empty text matches nothing. */
export function matchesTags(expression: string, tags: readonly string[]): boolean {
  const terms = expression.split(',').map((term) => term.trim());
  return terms.some((term) => {
    const isNegated = term.startsWith('~');
    const patterns = compilePatterns(isNegated ? term.slice(1) : term);
    return term !== '' && tags.some((tag) => matches(patterns, tag, '')) !== isNegated;
  });
}
