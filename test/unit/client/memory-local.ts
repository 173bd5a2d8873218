/** Local writes in memory: each write is a local transaction of one change, `["i", name]`. */
import type {
  LocalAnswer,
  LocalCounts,
  LocalRejection,
  LocalUpload,
  LocalWrites,
} from '../../../src/client/store.ts';

type Sealed = { readonly number: number; readonly nonce: string; readonly name: string };

export class MemoryLocal implements LocalWrites {
  readonly isBlocked = false;
  site = 'site-1';
  user: string | null = null;
  last = 0;
  settled = 0;
  included = 0;
  /** Fails the next seal. */
  failure: Error | null = null;
  #raw: string[] = [];
  #sealed: Sealed[] = [];
  readonly #rejections: LocalRejection[] = [];
  readonly #parked = new Set<number>();
  #nonces = 0;

  write(...names: readonly string[]): void {
    this.#raw.push(...names);
  }

  get counts(): LocalCounts {
    const uploaded = this.settled - this.included;
    return { pending: this.last - this.settled, uploaded, rejected: this.#rejections.length };
  }

  cautions(): readonly string[] {
    return [];
  }

  claim(user: string): void {
    this.user = user;
  }

  seal(): boolean {
    const { failure } = this;
    this.failure = null;
    if (failure !== null) throw failure;
    for (const name of this.#raw) {
      this.last += 1;
      this.#nonces += 1;
      this.#sealed.push({ number: this.last, nonce: `${this.site}-${this.#nonces}`, name });
    }
    const isAny = this.#raw.length > 0;
    this.#raw = [];
    return isAny;
  }

  nextUpload(after: number, bytesMax: number): LocalUpload | null {
    const taken: Sealed[] = [];
    let bytes = 0;
    for (const sealed of this.#sealed.filter(({ number }) => number > after)) {
      bytes += sealed.name.length;
      if (taken.length > 0 && bytes > bytesMax) break;
      taken.push(sealed);
    }
    const [first] = taken;
    if (first === undefined) return null;
    const lines = taken.flatMap(({ number, nonce, name }) => {
      const head = JSON.stringify(['t', number, nonce]);
      return this.#parked.has(number) ? [head] : [head, JSON.stringify(['i', name])];
    });
    const { number } = first;
    const changes = lines.length - taken.length;
    const last = number + taken.length - 1;
    return { first: number, last, transactions: taken.length, changes, lines };
  }

  settle(answer: LocalAnswer): readonly LocalRejection[] {
    const rejections = answer.rejected
      .filter(({ number }) => number > this.settled)
      .map(({ number, code, message }) => this.#reject(number, code, message));
    this.settled = Math.max(this.settled, answer.accepted);
    return rejections;
  }

  park(number: number, { code, message }: { code: string; message: string }): void {
    this.#parked.add(number);
    this.#reject(number, code, message);
  }

  rejections(): readonly LocalRejection[] {
    return this.#rejections;
  }

  forgetRejections(upTo: number): void {
    while ((this.#rejections[0]?.number ?? Number.POSITIVE_INFINITY) <= upTo) {
      this.#rejections.shift();
    }
  }

  renewSite(): void {
    const kept = this.#sealed.filter(({ number }) => number > this.settled);
    this.site = `${this.site}'`;
    this.#sealed = kept.map((sealed, index) => ({ ...sealed, number: index + 1 }));
    this.last = kept.length;
    this.settled = 0;
    this.included = 0;
  }

  #reject(number: number, code: string, message: string): LocalRejection {
    const rejection: LocalRejection = {
      ...{ number, code, message, table: 'public.note', key: [number], operation: 'insert' },
      ...{ line: '', rejectedAt: '' },
    };
    this.#rejections.push(rejection);
    return rejection;
  }
}
