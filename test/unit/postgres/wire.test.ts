import { expect, test } from 'vitest';
import { toLsn } from '../../../src/core/lsn.ts';
import { refusalOf } from '../../../src/postgres/fit.ts';
import { parseServerError, ServerError } from '../../../src/postgres/pg-errors.ts';
import { standbyStatus, streamError } from '../../../src/postgres/slot-wire.ts';

test('a status carries what was received, and the confirmed position as flushed and applied', () => {
  const received = toLsn(0x12_3456_789a);
  const confirmed = toLsn(0x12_0000_0001);
  const b = standbyStatus({ received, confirmed, wantsReply: true });
  expect([b.toString('latin1', 0, 1), b.readUInt32BE(1), b.toString('latin1', 5, 6)]).toEqual([
    ...['d', b.length - 1, 'r'],
  ]);
  const positions = [6, 14, 22].map((at) => Number(b.readBigUInt64BE(at)));
  expect(positions).toEqual([received, confirmed, confirmed]);
  expect(b[38]).toBe(1);
  expect(standbyStatus({ received, confirmed, wantsReply: false })[38]).toBe(0);
});

const names = { slot: 's', publication: 'p', where: 'host:1/db' };

test.each([
  ['55006', 'ReplicationSlotAcquire', 'SLOT_BUSY'],
  ['42704', 'ReplicationSlotAcquire', 'SLOT_LOST'],
  ['55000', 'LoadPublications', 'SLOT_LOST'],
  ['42704', 'get_publication_oid', 'SLOT_LOST'],
  ['55000', 'CreateDecodingContext', 'SLOT_LOST'],
  ['57P01', 'ProcessInterrupts', 'SOURCE_DOWN'],
  ['42501', 'CheckSlotPermissions', 'SOURCE_UNFIT'],
  ['XX000', 'anything', 'INTERNAL'],
])('the server’s %s from %s means %s', (state, routine, code) => {
  expect(streamError(new ServerError(state, 'said so', routine), names)).toMatchObject({ code });
});

test('an error response is read field by field, and a broken one as far as it goes', () => {
  const whole = Buffer.from('SERROR\0C55006\0Mbusy\0RReplicationSlotAcquire\0\0');
  expect(parseServerError(whole, 0, whole.length)).toMatchObject({
    ...{ code: '55006', message: 'busy', routine: 'ReplicationSlotAcquire' },
  });
  expect(parseServerError(whole, 0, 9)).toMatchObject({ code: 'XX000', routine: '' });
});

const FIT = {
  ...{ version: '180004', version_text: '18.4', wal_level: 'logical', is_standby: 'f' },
  ...{ senders: '10', slots: '10', role: 'me', may_replicate: 't' },
};

test.each([
  [{ version: '130020', version_text: '13.20' }, 'do not pass messages through the stream'],
  [{ is_standby: 't' }, 'primary'],
  [{ wal_level: 'replica' }, "ALTER SYSTEM SET wal_level = 'logical'"],
  [{ senders: '0' }, 'ALTER SYSTEM SET max_wal_senders'],
  [{ slots: '0' }, 'ALTER SYSTEM SET max_replication_slots'],
  [{ may_replicate: 'f' }, 'ALTER ROLE "me" REPLICATION'],
])('a server with %o is refused and told what to do', (facts, hint) => {
  expect(refusalOf({ ...FIT, ...facts })).toMatchObject({
    ...{ code: 'SOURCE_UNFIT', hint: expect.stringContaining(hint) },
  });
  expect(refusalOf(FIT)).toBeNull();
});
