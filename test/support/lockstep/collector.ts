/** A reader of a Lockstep stream in memory: keeps every object, and what a client would store as `since`. */
import type { Frame, Sink } from '../../../src/lockstep/api.ts';

export type LockstepObject = Readonly<Record<string, unknown>> & {
  readonly since?: number;
  readonly txid?: number;
  readonly data?: Readonly<Record<string, unknown>>;
  readonly type?: string;
};

export class Collector implements Sink {
  readonly objects: LockstepObject[] = [];
  onClose: (() => void) | null = null;
  isOpen = true;
  /** With more it is full; nothing takes anything out. */
  objectsMax = Number.POSITIVE_INFINITY;
  error: unknown = null;
  /** Called for every object. */
  onObject: ((object: LockstepObject) => void) | null = null;

  get isFull(): boolean {
    return this.objects.length > this.objectsMax;
  }

  write({ lines }: Frame): void {
    for (const line of lines) {
      if (!this.isOpen) return;
      const object = JSON.parse(line) as LockstepObject;
      this.objects.push(object);
      this.onObject?.(object);
    }
  }

  room(): Promise<void> {
    return this.isFull ? new Promise(() => undefined) : Promise.resolve();
  }

  end(): void {
    this.isOpen = false;
  }

  fail(error: unknown): void {
    this.error = error;
    this.isOpen = false;
  }

  /** The reader leaves. */
  leave(): void {
    this.isOpen = false;
    this.onClose?.();
  }

  get rows(): readonly LockstepObject[] {
    return this.objects.filter(({ data }) => data !== undefined);
  }

  /** The largest position that the reader may store. */
  get since(): number {
    return Math.max(0, ...this.objects.map(({ since }) => since ?? 0));
  }

  has(type: string): boolean {
    return this.objects.some((object) => object.type === type);
  }
}
