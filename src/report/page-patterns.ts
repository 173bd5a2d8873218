/**
 * Patterns of a quarantine as the page understands them. The automata of `regex/` are a tenth of its size: here `%` needs no
 * expression, and the rest is the browser's, which at the worst holds up the one who looks.
 */
import { compilePatternsBy, type NamePattern, type Patterns } from '../area/patterns.ts';

/** Of one pattern. */
const PATTERN_CHARS_MAX = 2000;
/** Only `%` has a meaning here. */
const PLAIN = /^[\w\- /]*%[\w\- /%]*$/;

/** Throws for what is no pattern. */
export function compileForPage(text: string): Patterns {
  return compilePatternsBy(text, (part) => {
    if (part.length > PATTERN_CHARS_MAX) throw new RangeError('the pattern is too long');
    if (PLAIN.test(part)) return plainPattern(part.toLowerCase().split('%'));
    const flags = part.includes('%') ? 'is' : 's';
    return new RegExp(`^(?:${part.replace(/[%*]+/g, '.*')})$`, flags);
  });
}

/** The first part begins the name, the last one ends it, those between follow one another, each as early as it can. */
function plainPattern(parts: readonly string[]): NamePattern {
  const [first = '', ...rest] = parts;
  const last = rest.pop() ?? '';
  return {
    test: (whole) => {
      const name = whole.toLowerCase();
      let at = first.length;
      if (!name.startsWith(first)) return false;
      for (const part of rest) {
        const found = name.indexOf(part, at);
        if (found < 0) return false;
        at = found + part.length;
      }
      return name.length - last.length >= at && name.endsWith(last);
    },
  };
}
