/** Something that stands in the place of a part: does what the part does, except for what it does itself. */
export function standIn<T extends object>(part: T, own: Partial<T>): T {
  return new Proxy(part, {
    get: (_, name) => {
      if (name in own) return Reflect.get(own, name, own);
      const value: unknown = Reflect.get(part, name, part);
      return typeof value === 'function' ? value.bind(part) : value;
    },
    // Private fields belong to the part itself, not to the stand-in.
    set: (_, name, value) => Reflect.set(part, name, value, part),
  });
}
