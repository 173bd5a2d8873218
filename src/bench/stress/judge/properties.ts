/**
 * From what was found and what happened to one verdict per property. "Not exercised" is no pass: the case that
 * the property speaks of never came up in this run.
 */
import { formatLsn, parseLsn, toLsn } from '../../../core/lsn.ts';
import type { RunFile, Verdict, VerdictFile } from '../evidence.ts';
import type { Checker, Incident } from './checker.ts';
import type { Commits } from './commits.ts';
import type { Facts, Fault } from './facts.ts';
import { type Findings, PROPERTIES, type Property } from './findings.ts';

/** Without these a run has shown nothing: they must have been exercised for a PASS. */
const REQUIRED: readonly Property[] = ['P1', 'P4', 'P5', 'P11', 'P27', 'P31'];

const POSTGRES_CRASHES = ['kill-postgres', 'restart-postgres'];
const KILLS = ['kill-server', 'kill-receiver'];
const SLOT_LOSSES = ['drop-slot'];
/** After these a new history may begin, or the old one go on: what replicas have tells whether it was right. */
const TURNS = ['move-slot', 'promote', 'promote-behind', 'restore', 'other-cluster'];

export type Judged = {
  readonly run: RunFile;
  readonly facts: Facts;
  readonly findings: Findings;
  readonly checker: Checker;
  readonly commits: Commits;
};

/** Adds what only the whole run shows. */
export function judgeRun(judged: Judged): void {
  judgeReach(judged);
  judgeEnd(judged);
  judgeFaults(judged);
  judgeHistories(judged);
}

/** Slots that were taken away and seen to be gone. */
export function slotLosses({ faults }: Facts): readonly Fault[] {
  return faults.filter(({ fault, effect }) => SLOT_LOSSES.includes(fault) && effect !== null);
}

/** The table, in its order. */
export function verdictsOf(findings: Findings): readonly Verdict[] {
  return (Object.keys(PROPERTIES) as Property[]).map((property) => {
    const checked = findings.checked(property);
    const title = PROPERTIES[property];
    const witness = findings.witness(property);
    const passed = checked > 0 ? 'pass' : 'not exercised';
    const verdict = findings.has(property) ? 'fail' : passed;
    return { property, title, verdict, checked, witness };
  });
}

export function overall(verdicts: readonly Verdict[]): VerdictFile['verdict'] {
  const isBad = verdicts.some(
    ({ property, verdict }) =>
      verdict === 'fail' ||
      (verdict === 'not exercised' && REQUIRED.some((required) => required === property)),
  );
  return isBad ? 'FAIL' : 'PASS';
}

/** How often each fault was tried, and how often something was seen of it. */
export function faultCounts(run: RunFile, faults: readonly Fault[]): VerdictFile['faults'] {
  const names = [...run.plan.map(({ fault }) => fault), ...faults.map(({ fault }) => fault)];
  return [...new Set(names)].sort().map((fault) => {
    const tried = faults.filter((one) => one.fault === fault);
    return { fault, times: tried.length, effects: tried.filter(({ effect }) => effect).length };
  });
}

/** Every replica left something, and has everything in the end. */
function judgeReach({ run, findings, checker, commits }: Judged): void {
  const end = run.end;
  const target =
    end === null ? 0 : Math.min(commits.lastPosition, parseLsn(end.position, 'position'));
  for (const { replica } of run.replicas) {
    const reached = Math.max(checker.positionOf(replica), checker.readPositionOf(replica));
    const t = end?.durationMs ?? 0;
    if (reached === 0) {
      const sentence = `nothing is known of ${replica}`;
      findings.add({ property: 'P31', t, sentence, rows: [] });
    } else if (end?.how === 'quiet' && reached < target) {
      const sentence = `${replica} ended at ${formatLsn(toLsn(reached))}, before the last commit at ${formatLsn(toLsn(target))}`;
      findings.add({ property: 'P1', t, sentence, rows: [] });
    }
  }
}

function judgeEnd({ run, findings, facts }: Judged): void {
  const { end } = run;
  findings.check('P31');
  if (end === null) {
    const sentence = 'the run has no end: it was cut off, or is still running';
    findings.add({ property: 'P31', t: 0, sentence, rows: [] });
    return;
  }
  const t = end.durationMs;
  findings.check('P27');
  if (end.how !== 'quiet') {
    const sentence = `the run ended ${end.how}: ${end.reason ?? 'without a reason'}`;
    findings.add({ property: 'P27', t, sentence, rows: [] });
  }
  for (const { process, how, t: at } of facts.lost) {
    const sentence = `${process} ended by itself (${how})`;
    findings.add({ property: 'P27', t: at, sentence, rows: [] });
  }
  for (const { replica, differences } of end.comparison) {
    findings.check('P11');
    const [first, ...rows] = differences;
    if (first === undefined) continue;
    const sentence = `${replica} is not equal to Postgres in the end: ${first}`;
    findings.add({ property: 'P11', t, sentence, rows });
  }
}

function judgeFaults({ facts, findings, checker, run }: Judged): void {
  const seen = facts.faults.filter(({ effect }) => effect !== null);
  for (const fault of seen) {
    if ([...POSTGRES_CRASHES, ...TURNS].includes(fault.fault)) findings.check('P18');
    if (KILLS.includes(fault.fault)) findings.check('P19');
    if (SLOT_LOSSES.includes(fault.fault)) findings.check('P20');
    if (/redeliver|deliver.* again/.test(fault.effect?.text ?? '')) findings.check('P2');
    findings.check('P27');
    if (fault.endedAt !== null && fault.isMended) continue;
    const sentence = `after ${fault.id} on ${fault.target} things were not as before in time`;
    findings.add({ property: 'P27', t: fault.startedAt, sentence, rows: [] });
  }
  findings.check('P2', facts.redelivered);
  findings.check('P25', facts.tooOld);
  judgeAfter({ seen, incidents: checker.incidents, findings });
  for (const { effect, id } of slotLosses(facts)) {
    for (const { replica } of run.replicas) {
      if (checker.copiedAt(replica) >= (effect?.t ?? 0)) continue;
      const sentence = `the slot was lost (${id}), but ${replica} never took a new copy: nobody told it`;
      findings.add({ property: 'P20', t: effect?.t ?? 0, sentence, rows: [] });
    }
  }
}

/** The first thing that went wrong is laid at the door of the crash before it, if there was one. */
function judgeAfter(of: {
  readonly seen: readonly Fault[];
  readonly incidents: readonly Incident[];
  readonly findings: Findings;
}): void {
  const [first] = [...of.incidents].sort((a, b) => a.t - b.t);
  if (first === undefined) return;
  const before = of.seen.filter(({ startedAt }) => startedAt <= first.t).at(-1);
  if (before === undefined) return;
  const { t, sentence } = first;
  const text = `the first mistake came after ${before.id}: ${sentence}`;
  const add = (property: Property): void =>
    of.findings.add({ property, t, sentence: text, rows: [] });
  if (POSTGRES_CRASHES.includes(before.fault)) add('P18');
  if (KILLS.includes(before.fault)) add('P19');
}

/** A new history that no lost slot explains: the server has forgotten what it acknowledged. */
function judgeHistories({ facts, findings }: Judged): void {
  const crashes = facts.faults.filter(
    ({ fault, effect }) => fault === 'kill-server' && effect !== null,
  );
  findings.check('P29', crashes.length);
  const turns = facts.faults.filter(
    ({ fault, effect }) => TURNS.includes(fault) && effect !== null,
  );
  const losses = slotLosses(facts).length + turns.length;
  const unexplained = facts.histories.slice(1 + losses);
  for (const { t, reason } of unexplained) {
    const property = crashes.some(({ startedAt }) => startedAt <= t) ? 'P29' : 'P20';
    const sentence = `the server began a new history although its slot was not taken away: ${reason}`;
    findings.add({ property, t, sentence, rows: [] });
  }
}
