import { expect, test } from 'vitest';
import { type Proof, parseProof } from '../../../src/report/proof.ts';

const PROOF: Proof = {
  ...{ format: 1, title: 'stress one-way', verdict: 'PASS', seed: 7, command: 'x --seed 7' },
  ...{ schedule: ['1 s kill-server'], facts: [['ended', 'quiet']], evidence: 'evidence' },
  properties: [{ property: 'P1', title: 'no loss', verdict: 'pass', checked: 9, witness: [] }],
  times: [0, 1],
  plots: [{ title: 'Lag', unit: 'KiB', series: [{ name: 'r', values: [1, null] }] }],
  faults: [{ name: 'kill-server', from: 1, to: 2, effect: null }],
};

test('a proof is read as it was written', () => {
  expect(parseProof(JSON.stringify(PROOF))).toEqual(PROOF);
});

test.each([
  ['not whole', JSON.stringify(PROOF).slice(0, 40)],
  ['knows 1', JSON.stringify({ ...PROOF, format: 2 })],
  ['format is undefined', 'null'],
  ['properties is no list', JSON.stringify({ ...PROOF, properties: {} })],
  ['no verdict', JSON.stringify({ ...PROOF, properties: [{ property: 'P1', verdict: 'good' }] })],
  ['has gaps', JSON.stringify({ ...PROOF, times: [0] })],
])('what a page could not show is told: %s', (why, text) => {
  expect(() => parseProof(text)).toThrow(why);
});
