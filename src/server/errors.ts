/** Every failure leaves the server in the one form of `TidelockError`. */
import type { FastifyError, FastifyReply } from 'fastify';
import { type ErrorCode, TidelockError } from '../core/errors.ts';
import type { Log } from './log.ts';

const RETRY_AFTER_S = '2';

/** Fastify's own codes, as ours. */
const CODES: Readonly<Record<string, ErrorCode>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: 'TOO_LARGE',
  FST_ERR_MAX_PARAM_LENGTH: 'BAD_REQUEST',
};

/** Turns anything thrown while a request was handled into one of our errors. */
export function toTidelockError(error: unknown): TidelockError {
  if (error instanceof TidelockError) return error;
  const fastifyError = error as Partial<FastifyError>;
  if (fastifyError.validation !== undefined) return validationError(fastifyError);
  const status = fastifyError.statusCode ?? 500;
  if (status >= 400 && status < 500) {
    return new TidelockError({
      code: CODES[fastifyError.code ?? ''] ?? 'BAD_REQUEST',
      message: fastifyError.message ?? 'the request cannot be read',
      hint: hintFor(fastifyError.code),
      cause: error,
    });
  }
  return new TidelockError({
    code: 'INTERNAL',
    message: 'the server failed; its log has the details',
    cause: error,
  });
}

/** Answers with the error. Whoever has left is told nothing. */
export function sendError(error: unknown, reply: FastifyReply, log: Log): void {
  if (reply.raw.destroyed || reply.raw.headersSent) {
    reply.hijack();
    return;
  }
  const known = toTidelockError(error);
  if (known.code === 'INTERNAL') log.error({ err: error, url: reply.request.url }, 'bug');
  if (known.status === 503 || known.status === 429) reply.header('retry-after', RETRY_AFTER_S);
  if (known.code === 'TOKEN_INVALID') reply.header('www-authenticate', 'Bearer');
  reply.code(known.status).type('application/json; charset=utf-8').send(JSON.stringify(known));
}

function hintFor(code: string | undefined): string {
  switch (code) {
    case 'FST_ERR_CTP_BODY_TOO_LARGE':
      return 'send a smaller body';
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
      return 'send the body as Content-Type: application/json';
    default:
      return 'compare the request with /openapi.json';
  }
}

type Issue = {
  keyword: string;
  instancePath: string;
  params: Record<string, unknown>;
  message?: string;
};

function validationError(error: Partial<FastifyError>): TidelockError {
  const [issue] = (error.validation ?? []) as unknown as Issue[];
  const context = error.validationContext ?? 'request';
  const where = context === 'querystring' ? 'query' : context;
  return new TidelockError({
    code: 'BAD_REQUEST',
    message: issue === undefined ? `the ${where} is malformed` : describe(issue, where),
    hint: 'compare the request with /openapi.json',
  });
}

function describe(issue: Issue, where: string): string {
  if (issue.keyword === 'additionalProperties') {
    return `unknown ${where} parameter ${quote(issue.params.additionalProperty)}`;
  }
  if (issue.keyword === 'required') {
    return `${where} parameter ${quote(issue.params.missingProperty)} is missing`;
  }
  const field = issue.instancePath.slice(1).replaceAll('/', '.');
  return `${where}${field === '' ? '' : ` parameter ${quote(field)}`} ${issue.message ?? 'is wrong'}`;
}

function quote(value: unknown): string {
  return JSON.stringify(String(value).slice(0, 60));
}
