/**
 * The difference of two JSON objects as a merge patch (RFC 7396): fields that changed, null for fields that went.
 * Objects are compared field by field; lists and plain values are replaced as a whole. Since null means "gone",
 * patched objects hold no nulls themselves: what is not known is left out.
 */

export type JsonValue =
  | string
  | number
  | boolean
  | null
  | readonly JsonValue[]
  | { readonly [name: string]: JsonValue };

export type JsonObject = { readonly [name: string]: JsonValue };

/** What turns `before` into `after`; null when they are equal. */
export function patchOf(before: JsonObject, after: JsonObject): JsonObject | null {
  const patch: Record<string, JsonValue> = {};
  for (const name of Object.keys(before)) {
    if (!Object.hasOwn(after, name)) setField(patch, name, null);
  }
  for (const [name, now] of Object.entries(after)) {
    const then = Object.hasOwn(before, name) ? before[name] : undefined;
    if (isObject(then) && isObject(now)) {
      const inner = patchOf(then, now);
      if (inner !== null) setField(patch, name, inner);
    } else if (!isSame(then, now)) setField(patch, name, now);
  }
  return Object.keys(patch).length === 0 ? null : patch;
}

/** The patched object; parts that did not change are the same objects as before. */
export function applyPatch(before: JsonObject, patch: JsonObject): JsonObject {
  const after: Record<string, JsonValue> = { ...before };
  for (const [name, change] of Object.entries(patch)) {
    if (change === null) delete after[name];
    else if (isObject(change)) {
      const then = Object.hasOwn(before, name) ? before[name] : undefined;
      setField(after, name, applyPatch(isObject(then) ? then : {}, change));
    } else setField(after, name, change);
  }
  return after;
}

/** `__proto__` may be the name of a table or a selector, and is a field like any other here. */
function setField(target: Record<string, JsonValue>, name: string, value: JsonValue): void {
  Object.defineProperty(target, name, {
    ...{ value, writable: true, enumerable: true, configurable: true },
  });
}

function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isSame(one: JsonValue | undefined, other: JsonValue): boolean {
  if (one === other) return true;
  if (typeof one !== 'object' || typeof other !== 'object' || one === null) return false;
  return JSON.stringify(one) === JSON.stringify(other);
}
