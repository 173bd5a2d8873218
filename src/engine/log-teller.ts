/** Tells the operator once when the log cannot be written, and once when it can again. */
export class LogTeller {
  readonly #onNotice: (notice: string) => void;
  #told: 'ok' | 'failed' = 'ok';

  constructor(onNotice: (notice: string) => void) {
    this.#onNotice = onNotice;
  }

  tell(log: { readonly state: 'ok' | 'failed'; readonly reason: string | undefined }): void {
    if (log.state === this.#told) return;
    this.#told = log.state;
    if (log.state === 'ok') this.#onNotice('the log can be written again');
    else this.#onNotice(`the log cannot be written, nothing is read until then: ${log.reason}`);
  }
}
