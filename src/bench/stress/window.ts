/** Flow control of one sender: how many groups may be under way until every receiver has told their end. */

export type Window = {
  readonly groupsMax: number;
  /** Groups that are not yet acknowledged, with the receivers that still owe the acknowledgement. */
  readonly owed: ReadonlyMap<number, ReadonlySet<string>>;
};

export function newWindow(groupsMax: number): Window {
  return { groupsMax, owed: new Map() };
}

export function isFull({ owed, groupsMax }: Window): boolean {
  return owed.size >= groupsMax;
}

/** A group was written whose end these receivers will see. Nobody to see it: nothing to wait for. */
export function sent(window: Window, group: number, receivers: readonly string[]): Window {
  if (receivers.length === 0) return window;
  return { ...window, owed: new Map(window.owed).set(group, new Set(receivers)) };
}

/** A receiver has seen the group's end; it may tell so several times, and also what nobody waits for. */
export function seen(window: Window, group: number, receiver: string): Window {
  const before = window.owed.get(group);
  if (before === undefined || !before.has(receiver)) return window;
  const left = new Set(before);
  left.delete(receiver);
  const owed = new Map(window.owed);
  if (left.size === 0) owed.delete(group);
  else owed.set(group, left);
  return { ...window, owed };
}
