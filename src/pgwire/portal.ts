/**
 * A statement bound to values, being carried out a piece at a time: rows beyond what the client asked for are kept
 * here, up to a limit, and then whoever makes them is held back.
 *
 *   bound --execute--> running --limit reached--> suspended --execute--> running --> done
 */
import type { PreparedStatement, ResultSink, SqlSession } from '../sql/session.ts';
import type { Column, SqlRow, SqlValue } from '../sql/types.ts';
import type { Format } from './incoming.ts';
import type { Outbox } from './outbox.ts';

export type PortalOptions = {
  readonly session: SqlSession;
  readonly outbox: Outbox;
  readonly counts: { rows: number };
  /** Null for a statement without words. */
  readonly statement: PreparedStatement | null;
  readonly values: readonly SqlValue[];
  readonly formats: readonly Format[];
  readonly keptRowsMax: number;
  readonly sizeBytes: number;
};

type Outcome = { readonly tag: string } | { readonly error: unknown };

export class Portal {
  readonly #options: PortalOptions;
  #kept: SqlRow[] = [];
  #at = 0;
  #isStarted = false;
  #tag = '';
  #outcome: Outcome | null = null;
  /** Lets go of whoever makes rows. */
  #release: (() => void) | null = null;
  /** Wakes the one who waits for rows or the end. */
  #news: (() => void) | null = null;
  #ended: Promise<void> = Promise.resolve();

  constructor(options: PortalOptions) {
    this.#options = options;
  }

  get columns(): readonly Column[] | null {
    return this.#options.statement?.columns ?? null;
  }

  get sql(): string {
    return this.#options.statement?.sql ?? '';
  }

  get formats(): readonly Format[] {
    return this.#options.formats;
  }

  get isEmpty(): boolean {
    return this.#options.statement === null;
  }

  get sizeBytes(): number {
    return this.#options.sizeBytes;
  }

  /** The session is still busy with it. */
  get isRunning(): boolean {
    return this.#isStarted && this.#outcome === null;
  }

  /** Sends up to `rowsMax` rows. Gives the tag when it is done, null when there may be more. */
  async execute(rowsMax: number): Promise<string | null> {
    this.#start();
    let left = rowsMax;
    // Every turn sends rows, waits for them, or ends.
    for (;;) {
      for (; left > 0 && this.#at < this.#kept.length; left -= 1) {
        const waits = this.#send(this.#kept[this.#at++] ?? []);
        if (waits !== undefined) await waits;
      }
      if (left === 0) return null;
      this.#kept = [];
      this.#at = 0;
      if (this.#outcome !== null) return this.#end(this.#outcome);
      await this.#more();
    }
  }

  /** Stops what runs. `cancel` asks for it; who makes rows may be held back, so it is let go first. */
  async close(cancel: () => void): Promise<void> {
    if (!this.isRunning) return;
    cancel();
    this.#kept = [];
    this.#at = 0;
    this.#letGo();
    await this.#ended;
    this.#kept = [];
  }

  #start(): void {
    if (this.#isStarted) return;
    this.#isStarted = true;
    const { session, statement, values } = this.#options;
    if (statement === null) {
      this.#outcome = { tag: '' };
      return;
    }
    this.#ended = session.execute(statement, values, this.#sink()).then(
      () => this.#settle({ tag: this.#tag }),
      (error: unknown) => this.#settle({ error }),
    );
  }

  #sink(): ResultSink {
    const { outbox, keptRowsMax } = this.#options;
    return {
      columns: () => undefined,
      rows: (rows) => {
        for (const row of rows) this.#kept.push(row);
        this.#wake();
        if (this.#kept.length - this.#at <= keptRowsMax) return;
        return new Promise<void>((resolve) => {
          this.#release = resolve;
        });
      },
      complete: (tag) => {
        this.#tag = tag;
      },
      notice: (message) => outbox.write.notice(message),
    };
  }

  #send(row: SqlRow): Promise<void> | undefined {
    const { outbox, formats, counts } = this.#options;
    counts.rows += 1;
    outbox.write.dataRow(this.columns ?? [], formats, row);
    return outbox.push();
  }

  #more(): Promise<void> {
    const news = new Promise<void>((resolve) => {
      this.#news = resolve;
    });
    this.#letGo();
    return news;
  }

  #letGo(): void {
    this.#release?.();
    this.#release = null;
  }

  #settle(outcome: Outcome): void {
    this.#outcome = outcome;
    this.#wake();
  }

  #wake(): void {
    this.#news?.();
    this.#news = null;
  }

  #end(outcome: Outcome): string {
    if ('error' in outcome) throw outcome.error;
    return outcome.tag;
  }
}
