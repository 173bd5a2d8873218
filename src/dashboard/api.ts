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
