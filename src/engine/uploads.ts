/** Uploads of replicas: checked against the history that is served, then merged into Postgres. */
import { TidelockError } from '../core/errors.ts';
import type { Upload } from '../core/upload.ts';
import type { Writer } from '../postgres/upload/plan.ts';
import { type UploadOutcome, Uploads } from '../postgres/upload/uploads.ts';

export type UploadResult = UploadOutcome & { readonly timeline: string };

export type UploadDoorOptions = {
  readonly url: string;
  readonly sitesPerUserMax: number | undefined;
  /** Of the history that is served; null before there is one. */
  readonly timeline: () => string | null;
  /** Called with every answer. */
  readonly onDone?: ((upload: Upload, user: string, result: UploadResult) => void) | undefined;
};

export class UploadDoor {
  readonly #uploads: Uploads;
  readonly #timeline: () => string | null;
  readonly #onDone: UploadDoorOptions['onDone'];

  constructor(options: UploadDoorOptions) {
    const { url, sitesPerUserMax, timeline } = options;
    this.#uploads = new Uploads(url, { sitesPerUserMax });
    this.#timeline = timeline;
    this.#onDone = options.onDone;
  }

  /**
   * Brings into Postgres what is new, once, as the writer's role. Throws `RESYNC_FIRST`, `SITE_TAKEN`, `SITES_FULL`, `SITE_CLONED`,
   * `UPLOAD_GAP`, `TABLE_HELD`, `BUSY`, `SOURCE_DOWN`, `NOT_READY`, `BAD_REQUEST` (nothing here is two-way).
   */
  async apply(upload: Upload, writer: Writer): Promise<UploadResult> {
    const timeline = this.#timeline();
    if (timeline === null) throw notReady();
    const { head } = upload;
    if (head.user !== undefined && head.user !== writer.userid) throw otherUser(head.user);
    if (head.timeline !== timeline) throw otherHistory();
    const result = { timeline, ...(await this.#uploads.apply(upload, writer)) };
    this.#onDone?.(upload, writer.userid, result);
    return result;
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

function otherUser(user: string): TidelockError {
  return new TidelockError({
    code: 'SITE_TAKEN',
    message: `the file has writes of ${user}, and the token is of another user`,
    hint: `send them with a token of ${user} first, or use another file`,
  });
}

function otherHistory(): TidelockError {
  return new TidelockError({
    code: 'RESYNC_FIRST',
    message: 'the file is of another history of the source',
    hint: 'the file is refreshed first and sends again; a replica does so by itself',
  });
}
