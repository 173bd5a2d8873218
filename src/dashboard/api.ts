/** Requests to the server: the token, and errors in the server's own words. */

export class ApiError extends Error {
  readonly code: string;
  readonly hint: string;

  constructor(code: string, message: string, hint: string) {
    super(message);
    this.code = code;
    this.hint = hint;
  }
}

const TOKEN_KEY = 'tidelock-token';
const listeners = new Set<() => void>();

export function token(): string {
  return sessionStorage.getItem(TOKEN_KEY) ?? '';
}

/** Kept until the tab is closed; an empty one is forgotten. */
export function setToken(text: string): void {
  if (text === '') sessionStorage.removeItem(TOKEN_KEY);
  else sessionStorage.setItem(TOKEN_KEY, text);
  for (const listener of listeners) listener();
}

export function onToken(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function authorization(): Record<string, string> {
  const text = token();
  return text === '' ? {} : { authorization: `Bearer ${text}` };
}

/** Throws `ApiError`. */
export async function ask<T>(path: string, signal?: AbortSignal): Promise<T> {
  let response: Response;
  try {
    response = await fetch(path, { headers: authorization(), ...(signal ? { signal } : {}) });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new ApiError('OFFLINE', 'the server cannot be reached', 'is it running?');
  }
  if (!response.ok) throw await errorOf(response);
  return (await response.json()) as T;
}

export async function errorOf(response: Response): Promise<ApiError> {
  try {
    const { error } = (await response.json()) as {
      readonly error: { readonly code: string; readonly message: string; readonly hint?: string };
    };
    return new ApiError(error.code, error.message, error.hint ?? '');
  } catch {
    return new ApiError('HTTP', `the server answered ${response.status}`, '');
  }
}

/** Throws `ApiError`. */
export async function post<T>(path: string, body: object): Promise<T> {
  let response: Response;
  try {
    response = await fetch(path, {
      method: 'POST',
      headers: { ...authorization(), 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
  } catch {
    throw new ApiError('OFFLINE', 'the server cannot be reached', 'nothing was asked for');
  }
  if (!response.ok) throw await errorOf(response);
  return (await response.json()) as T;
}

export type Range = {
  readonly body: Uint8Array;
  readonly from: number;
  /** Of the whole file. */
  readonly size: number;
};

/** A piece of a file that ends with a whole character. Throws `ApiError`. */
export async function range(path: string, signal: AbortSignal): Promise<Range> {
  const response = await fetch(path, { headers: authorization(), signal });
  if (!response.ok) throw await errorOf(response);
  const body = new Uint8Array(await response.arrayBuffer());
  const number = (name: string): number => Number(response.headers.get(name) ?? 0);
  return { body, from: number('tidelock-from'), size: number('tidelock-size') };
}

/** What the page fetches to be stored: larger files would fill the memory of the browser. */
const SAVED_BYTES_MAX = 512 * 1024 * 1024;

/** Fetches a file with the token and lets the browser store it. Throws `ApiError`. */
export async function saveFile(path: string, name: string): Promise<void> {
  const response = await fetch(path, { headers: authorization() });
  if (!response.ok) throw await errorOf(response);
  if (Number(response.headers.get('content-length')) > SAVED_BYTES_MAX) {
    await response.body?.cancel();
    throw new ApiError('PAGE', 'too large for the browser: take it from its host', '');
  }
  const address = URL.createObjectURL(await response.blob());
  const link = document.createElement('a');
  Object.assign(link, { href: address, download: name });
  link.click();
  URL.revokeObjectURL(address);
}
