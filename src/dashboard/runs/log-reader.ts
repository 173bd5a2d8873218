/**
 * Moves a window over a log: to its end and on with it, to a line, to a byte, earlier and later. One reading is under way at
 * a time; a jump ends the one before it.
 */
import type { LogPlace } from '../../protocol/run-files.ts';
import {
  appended,
  EMPTY_WINDOW,
  type KnownPlace,
  type LogPiece,
  type LogWindow,
  lineAt,
  numbered,
  opened,
  prepended,
} from './log-window.ts';

const RANGE_BYTES = 128 * 1024;
/** What is shown before the line that is jumped to. */
const BEFORE_BYTES = 16 * 1024;
/** Questions for one place: each gets 64 MiB on. */
const STEPS_MAX = 10_000;
/** Of counting lines while the window is moved. */
const TRIES_MAX = 100;
const START: KnownPlace = { byte: 0, line: 1 };

export type LogSource = {
  /** Null: the end of the file. */
  readonly read: (from: number | null, bytes: number) => Promise<LogPiece>;
  /** A part of the way from a known place. */
  readonly place: (
    from: KnownPlace,
    wanted: { readonly line: number } | { readonly byte: number },
  ) => Promise<LogPlace>;
};

export class LogReader {
  readonly #source: LogSource;
  readonly #onChange: () => void;
  window: LogWindow = EMPTY_WINDOW;
  #known: KnownPlace = START;
  #jump = 0;
  #isMoving = false;
  #isCounting = false;

  /** `onChange`: before the window changes for good; it is the new one already. */
  constructor(source: LogSource, onChange: () => void) {
    this.#source = source;
    this.#onChange = onChange;
  }

  close(): void {
    this.#jump += 1;
  }

  /** The end of the log. Throws what the source throws, as the others do. */
  async toEnd(): Promise<void> {
    await this.#jumpTo(async () => opened(await this.#source.read(null, RANGE_BYTES)));
  }

  /** What was added; a log that grows faster is followed at its end, one that became shorter begins anew. */
  async follow(): Promise<void> {
    const { to, size } = this.window;
    if (size === 0) return await this.toEnd();
    await this.#move(async (window) => {
      const piece = await this.#source.read(to, RANGE_BYTES);
      const isFar = piece.size < to || piece.size - to > RANGE_BYTES;
      if (!isFar) return piece.size === size ? window : appended(window, piece);
      return opened(await this.#source.read(null, RANGE_BYTES));
    });
  }

  async earlier(): Promise<void> {
    const { from } = this.window;
    if (from === 0) return;
    const start = Math.max(0, from - RANGE_BYTES);
    await this.#move(async (window) =>
      prepended(window, await this.#source.read(start, from - start)),
    );
  }

  async later(): Promise<void> {
    const { to, size } = this.window;
    if (to >= size) return;
    await this.#move(async (window) => appended(window, await this.#source.read(to, RANGE_BYTES)));
  }

  /** Shows the line that holds the byte; its number is taken over where it is known. Gives where it begins. */
  async toByte(byte: number, line: number | null = null): Promise<number> {
    const isThere = lineAt(this.window, byte) !== null;
    await this.#jumpTo(async () => {
      const from = Math.max(0, byte - BEFORE_BYTES);
      const window = isThere
        ? this.window
        : opened(await this.#source.read(from, RANGE_BYTES), byte);
      return line === null ? window : numbered(window, { byte, line });
    });
    return lineAt(this.window, byte)?.byte ?? byte;
  }

  /** Gives where the line begins; beyond the end, the last one. */
  async toLine(line: number): Promise<number> {
    const jump = this.#begin();
    const known = this.#known.line <= line ? this.#known : START;
    const place = await this.#seek(known, { line }, jump);
    if (place === null) return 0;
    return await this.toByte(place.byte, place.line);
  }

  /** Counts the lines before the window, in the background, wherever it is moved meanwhile. */
  async count(): Promise<void> {
    if (this.#isCounting) return;
    this.#isCounting = true;
    try {
      for (let tries = 0; tries < TRIES_MAX && this.window.first === null; tries += 1) {
        const { from: byte } = this.window;
        const known = this.#known.byte <= byte ? this.#known : START;
        const place = await this.#seek(known, { byte }, this.#jump);
        if (place !== null) this.#set(numbered(this.window, place));
      }
    } finally {
      this.#isCounting = false;
    }
  }

  /** Null: somebody has jumped elsewhere. */
  async #seek(
    from: KnownPlace,
    wanted: { readonly line: number } | { readonly byte: number },
    jump: number,
  ): Promise<KnownPlace | null> {
    let place = from;
    for (let steps = 0; steps < STEPS_MAX; steps += 1) {
      const next = await this.#source.place(place, wanted);
      if (jump !== this.#jump) return null;
      this.#known = next;
      if (next.isThere) return next;
      place = next;
    }
    return place;
  }

  #begin(): number {
    this.#jump += 1;
    this.#isMoving = false;
    return this.#jump;
  }

  async #jumpTo(read: () => Promise<LogWindow>): Promise<void> {
    const jump = this.#begin();
    const window = await read();
    if (jump === this.#jump) this.#set(window);
  }

  /** Nothing while another move is under way. */
  async #move(read: (window: LogWindow) => Promise<LogWindow>): Promise<void> {
    if (this.#isMoving) return;
    const jump = this.#jump;
    this.#isMoving = true;
    try {
      const window = await read(this.window);
      if (jump === this.#jump) this.#set(window);
    } finally {
      if (jump === this.#jump) this.#isMoving = false;
    }
  }

  #set(window: LogWindow): void {
    if (window === this.window) return;
    this.window = window;
    this.#onChange();
  }
}
