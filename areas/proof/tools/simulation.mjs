/** The verdict of simulated runs, in the form of a proof (src/report/proof.ts). */
import { PROPERTIES } from '../../../src/bench/stress/judge/findings.ts';
import { TWOWAY_PROPERTIES } from '../../../src/bench/twoway/properties.ts';

const WITNESS_LINES = 40;

export function proofOfSimulation({ runs, steps, failures, checked, sometimes, crashPoints }) {
  const { SEED = '1', SIM_RUNS = String(runs) } = process.env;
  const titles = { ...TWOWAY_PROPERTIES, ...PROPERTIES };
  const names = Object.keys(checked).sort((a, b) => Number(a.slice(1)) - Number(b.slice(1)));
  return {
    ...{ format: 1, title: `simulation from seed ${SEED}`, seed: Number(SEED), schedule: [] },
    command: `bin/tidelock sim --seed ${SEED} --runs ${SIM_RUNS}`,
    verdict: failures.length === 0 ? 'PASS' : 'FAIL',
    properties: names.map((property) => {
      const witness = witnessOf(failures, property);
      const held = checked[property] > 0 ? 'pass' : 'not exercised';
      const verdict = witness.length > 0 ? 'fail' : held;
      const title = titles[property] ?? '';
      return { property, title, verdict, checked: checked[property], witness };
    }),
    facts: [
      ['simulated runs', `${runs}, of which ${failures.length} failed`],
      ['steps', String(steps)],
      ['rare states reached', String(sometimes.filter(({ times }) => times > 0).length)],
      ['crash points reached', String(Object.keys(crashPoints).length)],
    ],
    ...{ evidence: 'seeds', times: [], plots: [], faults: [] },
  };
}

/** The first counterexample of it, and the seed that shows it. */
function witnessOf(failures, property) {
  for (const { seed, findings, twoway } of failures) {
    const found = [...findings, ...twoway].find((one) => one.property === property);
    if (found === undefined) continue;
    const where = `seed ${seed}: bin/tidelock sim --seed ${seed} --runs 1`;
    return [where, ...found.witness.slice(0, WITNESS_LINES)];
  }
  return [];
}
