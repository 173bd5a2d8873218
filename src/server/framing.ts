/** HTTP/1.1 chunk framing, done once per frame however many sockets get it. */
import { assert } from '../core/assert.ts';

const CRLF = '\r\n';

/** What ends a chunk, and the line of its size. */
export const CHUNK_END: Buffer = Buffer.from(CRLF);

/** The line before a chunk of so many bytes. */
export function chunkStart(sizeBytes: number): Buffer {
  assert(sizeBytes > 0, 'a frame is not empty (an empty chunk would end the stream)');
  return Buffer.from(`${sizeBytes.toString(16)}${CRLF}`, 'latin1');
}

/** One HTTP chunk: size in hexadecimal, CRLF, bytes, CRLF. */
export function encodeChunk(frame: Uint8Array): Buffer {
  assert(frame.byteLength > 0, 'a frame is not empty (an empty chunk would end the stream)');
  const head = `${frame.byteLength.toString(16)}${CRLF}`;
  const chunk = Buffer.allocUnsafe(head.length + frame.byteLength + CRLF.length);
  chunk.write(head, 0, 'latin1');
  chunk.set(frame, head.length);
  chunk.write(CRLF, head.length + frame.byteLength, 'latin1');
  return chunk;
}

/** Chunks of frames that several streams get in one turn of the event loop. */
export class ChunkCache {
  readonly #chunks = new Map<Uint8Array, Buffer>();

  /** The framed form of `frame`, which must not be changed before `clear`. */
  chunkOf(frame: Uint8Array): Buffer {
    let chunk = this.#chunks.get(frame);
    if (chunk === undefined) {
      chunk = encodeChunk(frame);
      this.#chunks.set(frame, chunk);
    }
    return chunk;
  }

  /** Call at the turn's end, so that nothing is kept for longer. */
  clear(): void {
    this.#chunks.clear();
  }
}

const COMMIT_START = Buffer.from('{"type":"commit"');
const LINE_FEED = 10;

/** True when the last line closes a transaction. A false answer only means "read on". */
export function endsTransaction(frame: Uint8Array): boolean {
  const lineStart = frame.lastIndexOf(LINE_FEED, frame.byteLength - 2) + 1;
  if (frame.byteLength - lineStart < COMMIT_START.byteLength) return false;
  return COMMIT_START.equals(frame.subarray(lineStart, lineStart + COMMIT_START.byteLength));
}
