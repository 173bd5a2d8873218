import { describe, expect, test } from 'vitest';
import { hasCode, messageOf } from '../../../src/core/errors.ts';
import { LargeUpload } from '../../../src/protocol/large-upload.ts';
import { readUpload } from '../../../src/protocol/upload-reader.ts';

const HEAD = `["site","01890a5d-ac96-774b-bcce-b302099a8057",{"protocol":1,"timeline":"t1","position":"0/10","settled":6}]`;
const OPENING = '["t",7,"abcdef01"]';
const CHANGES = Array.from({ length: 50 }, (_, at) =>
  JSON.stringify(['u', at % 2 === 0 ? 'public.b' : 'public.a', 1, [`ключ${at}`], [[0, 2, 'é\n']]]),
);

function bytesOf(lines: readonly string[]): Uint8Array {
  return new TextEncoder().encode(`${lines.join('\n')}\n`);
}

function checked(bytes: Uint8Array, pieceBytes?: number): LargeUpload {
  const upload = new LargeUpload(bytes, pieceBytes);
  for (const _ of upload.check());
  return upload;
}

function refusal(bytes: Uint8Array, code: 'BAD_REQUEST' | 'TOO_LARGE' = 'BAD_REQUEST'): string {
  try {
    checked(bytes, 100);
  } catch (error) {
    expect(hasCode(error, code)).toBe(true);
    return messageOf(error);
  }
  return 'it was read';
}

describe('a large upload', () => {
  test.each([1, 60, 333, 1_000_000])(
    'is what the reader of small ones reads, in pieces of %i bytes',
    (pieceBytes) => {
      const lines = [HEAD, OPENING, ...CHANGES];
      const { head, transactions } = checked(bytesOf(lines), pieceBytes).upload;
      const whole = readUpload(lines.join('\n'));
      const [transaction] = transactions;
      expect([head, transaction?.number, transaction?.nonce]).toEqual([whole.head, 7, 'abcdef01']);
      expect(transaction?.large?.tables).toEqual(['public.a', 'public.b']);
      for (const _ of [1, 2]) {
        const pieces = [...(transaction?.large?.pieces() ?? [])];
        expect(pieces.flat()).toEqual(whole.transactions[0]?.changes);
        expect(pieces.length > 1).toBe(pieceBytes < 1000);
      }
    },
  );

  test('names the line that is malformed, before anything is done', () => {
    const broken = [HEAD, OPENING, ...CHANGES.slice(0, 20), '["x"]', ...CHANGES];
    expect(refusal(bytesOf(broken))).toContain('line 23 of the upload');
    expect(refusal(bytesOf([HEAD, OPENING, ...CHANGES, '{']))).toContain('line 53 of the upload');
    expect(refusal(bytesOf([HEAD, CHANGES[0] ?? '']))).toContain('line 2');
    expect(refusal(bytesOf(['[]']))).toContain('line 1');
    expect(refusal(new Uint8Array(0))).toContain('line 1');
    expect(refusal(bytesOf([HEAD, OPENING, `"${'x'.repeat(500)}`]))).toContain('line 3');
  });

  test('is refused when it is no UTF-8', () => {
    const bytes = bytesOf([HEAD, OPENING, ...CHANGES]);
    bytes[bytes.length - 20] = 0xff;
    expect(refusal(bytes)).toContain('UTF-8');
  });

  test('has one transaction only', () => {
    const bytes = bytesOf([HEAD, OPENING, ...CHANGES, '["t",8,"abcdef02"]', ...CHANGES]);
    expect(refusal(bytes, 'TOO_LARGE')).toContain('one transaction');
  });
});
