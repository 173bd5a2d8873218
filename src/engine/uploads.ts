/** Uploads of replicas: checked against the history that is served, then merged into Postgres. */
import { TidelockError } from '../core/errors.ts';
import type { Upload } from '../core/upload.ts';
import type { Writer } from '../postgres/upload-plan.ts';
import { type UploadOutcome, Uploads } from '../postgres/uploads.ts';

export type UploadResult = UploadOutcome & { readonly timeline: string };

export class UploadDoor {
  readonly #uploads: Uploads;
  readonly #timeline: () => string | null;

  constructor(url: string, timeline: () => string | null) {
    this.#uploads = new Uploads(url);
    this.#timeline = timeline;
  }

  /**
   * Brings into Postgres what is new, once, as the writer's role. Throws `RESYNC_FIRST`, `SITE_TAKEN`, `SITE_CLONED`,
   * `UPLOAD_GAP`, `BUSY`, `SOURCE_DOWN`, `NOT_READY`, `BAD_REQUEST` (nothing here is two-way).
   */
  async apply(upload: Upload, writer: Writer): Promise<UploadResult> {
    const timeline = this.#timeline();
    if (timeline === null) throw notReady();
    if (upload.head.timeline !== timeline) throw otherHistory();
    return { timeline, ...(await this.#uploads.apply(upload, writer)) };
  }

  /** Cuts what is under way. */
  close(): Promise<void> {
    return this.#uploads.close();
  }
}

function notReady(): TidelockError {
  return new TidelockError({
    code: 'NOT_READY',
    message: 'Postgres has not been reached since the start: its history is not known yet',
    hint: 'try again in a moment',
  });
}

function otherHistory(): TidelockError {
  return new TidelockError({
    code: 'RESYNC_FIRST',
    message: 'the file is of another history of the source',
    hint: 'the file is refreshed first and sends again; a replica does so by itself',
  });
}
