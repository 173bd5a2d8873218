/** The verdict on a run, from its folder alone. */
import { Findings } from '../stress/judge/findings.ts';
import type { TwowayVerdict } from './evidence.ts';
import { judgeFinal } from './final-judge.ts';
import { userId, userOf } from './options.ts';
import { REQUIRED, TWOWAY_PROPERTIES, type TwowayProperty } from './properties.ts';
import type { Evidence } from './read-evidence.ts';
import { nameOf, Replay } from './replay.ts';
import { SET_UP_WRITE } from './setup.ts';
import { stepsOf } from './steps.ts';
import { errorGroups, errorsByIteration, mostAffected, perDatabase, totalsOf } from './summary.ts';
import { isTrespass, type Write, writesOf } from './writes.ts';

/** A local write while the server is away. */
const OFFLINE_MS_MAX = 60_000;

export function judgeEvidence(evidence: Evidence): TwowayVerdict {
  const findings = new Findings<TwowayProperty>();
  const writes = [...evidence.histories].flatMap(([database, history]) =>
    writesOf(database, history),
  );
  judgeEnd(evidence, findings);
  judgeHistories(evidence, writes, findings);
  if (evidence.final !== null) {
    judgeFinal({
      ...{ writes, findings, final: evidence.final.shown, t: evidence.run.end.durationMs },
      isOnce: evidence.run.options.workload === 'cycle',
    });
    judgeComparisons(evidence, findings);
    judgeTrespasses(evidence, writes, findings);
  }
  judgeLeaks(evidence, findings);
  judgeFaults(evidence, findings);
  return verdictOf(evidence, findings);
}

function judgeEnd(
  { run, steps, troubles, final }: Evidence,
  findings: Findings<TwowayProperty>,
): void {
  const t = run.end.durationMs;
  const fail = (property: TwowayProperty, sentence: string): void =>
    findings.add({ property, t, sentence, rows: [] });
  findings.check('P27');
  if (run.end.how !== 'quiet') fail('P27', `the run ended ${run.end.how}: ${run.end.reason}`);
  const expected = stepsOf(run.iterations, run.options.isRls === true).length;
  for (let database = 1; database <= run.databases; database++) {
    const done = new Set(
      steps.filter((step) => step.database === database).map(({ step }) => step),
    );
    findings.check('P31', done.size);
    if (done.size !== expected && run.end.how === 'quiet') {
      fail('P31', `database ${database} has evidence of ${done.size} of ${expected} steps`);
    }
  }
  if (run.end.how === 'quiet' && final === null)
    fail('P31', 'the run was quiet, and nothing was compared');
  for (const { t: at, database, code, message, isExpected } of troubles) {
    if (isExpected) continue;
    const who = database === 0 ? 'the server' : `database ${database}`;
    findings.add({
      property: 'P27',
      t: at,
      sentence: `unexpected: ${who} says ${code}: ${message}`,
      rows: [],
    });
  }
}

function judgeHistories(
  { histories, run }: Evidence,
  writes: readonly Write[],
  findings: Findings<TwowayProperty>,
): void {
  const byNumber = new Map(writes.map((write) => [write.write, write]));
  for (const [database, history] of histories) {
    new Replay(database, byNumber, findings).run(history);
    for (const line of history) {
      if (line.k !== 'offline') continue;
      findings.check('P28');
      if (line.ms <= OFFLINE_MS_MAX) continue;
      findings.add({
        property: 'P28',
        t: line.t,
        sentence: `database ${database} needed ${line.ms} ms for a local write while its server was away`,
        rows: [],
      });
    }
  }
  for (const write of writes) {
    if (write.rejected === null || isTrespass(write)) continue;
    findings.add({
      ...{ property: 'P1', t: write.t, rows: [] },
      sentence: `Postgres refused ${nameOf(write.write)} (${write.rejected}), which no rule forbids`,
    });
  }
  if (run.end.how === 'quiet' && writes.length === 0) {
    findings.add({ property: 'P31', t: 0, sentence: 'nothing was written', rows: [] });
  }
}

function judgeComparisons({ final, run }: Evidence, findings: Findings<TwowayProperty>): void {
  for (const { database, differences, digests } of final?.comparisons ?? []) {
    findings.check('P11');
    const [theirs, ours] = digests;
    if (differences.length === 0 && theirs === ours) continue;
    findings.add({
      ...{ property: 'P11', t: run.end.durationMs, rows: differences },
      sentence: `database ${database} differs from what Postgres shows its user: digests ${theirs} and ${ours}`,
    });
  }
  if ((final?.comparisons.length ?? 0) < run.databases) {
    findings.add({
      property: 'P31',
      t: run.end.durationMs,
      sentence: 'not all databases were compared',
      rows: [],
    });
  }
}

/** Nothing forbidden stands anywhere, and each was told as refused. */
function judgeTrespasses(
  { final, run, histories }: Evidence,
  writes: readonly Write[],
  findings: Findings<TwowayProperty>,
): void {
  const t = run.end.durationMs;
  const fail = (sentence: string): void => findings.add({ property: 'P16', t, sentence, rows: [] });
  const trespasses = writes.filter(
    (write) => isTrespass(write) && write.isDone === true && write.parts.length > 0,
  );
  const numbers = new Set(trespasses.map(({ write }) => write));
  for (const trespass of trespasses) {
    const { write, rejected } = trespass;
    findings.check('P16');
    if (rejected === null && !isMoot(trespass, writes))
      fail(`${nameOf(write)} is forbidden, and was not refused`);
  }
  for (const [batch, segments] of Object.entries(final?.shown ?? {})) {
    for (const [from, , text, number] of segments) {
      if (numbers.has(text) || numbers.has(number))
        fail(`Postgres has ${batch}${from} from ${nameOf(text)}, which is forbidden`);
    }
  }
  for (const [key, owner] of Object.entries(final?.treasures ?? {})) {
    const rightful = /^treasure(\d+)_/.exec(key)?.[1];
    if (rightful === undefined || owner !== userId(Number(rightful)))
      fail(`${key} belongs to ${owner || 'nobody'} in the end`);
  }
  for (const [database, history] of histories) {
    for (const line of history) {
      if (line.k !== 'read') continue;
      for (const segments of Object.values(line.changed)) {
        const foreign = segments.find(
          ([, , text]) => numbers.has(text) && Math.floor(text / 10_000_000) !== database,
        );
        if (foreign !== undefined)
          fail(`database ${database} was shown ${nameOf(foreign[2])}, which is forbidden`);
      }
    }
  }
}

/** A forbidden update of a row that somebody else deleted meanwhile is lost in the merge: there is nothing to refuse. */
function isMoot({ database, parts }: Write, writes: readonly Write[]): boolean {
  const deletes = writes
    .filter((write) => write.database !== database && write.isDone !== false)
    .flatMap((write) => write.parts.filter(({ kind }) => kind === 'delete'));
  return parts.every(
    ({ kind, rows }) =>
      kind === 'update' &&
      Object.entries(rows).every(([batch, ranges]) =>
        ranges.every(([from, to]) =>
          deletes.some((part) =>
            part.rows[batch]?.some((range) => range[0] <= from && to <= range[1]),
          ),
        ),
      ),
  );
}

function judgeLeaks({ leaks, run, histories }: Evidence, findings: Findings<TwowayProperty>): void {
  if (run.options.isRls !== true) return;
  const t = run.end.durationMs;
  for (const { identity, own, foreign } of leaks) {
    if (own > 0) findings.check('P15', own);
    if (own === 0)
      findings.add({
        property: 'P31',
        t,
        sentence: `${identity} was given nothing of its own: the search for leaks saw nothing`,
        rows: [],
      });
    if (foreign.length > 0)
      findings.add({
        property: 'P15',
        t,
        sentence: `${identity} was given what is not its user's`,
        rows: foreign,
      });
  }
  const owners = new Map([...histories.keys()].map((database) => [database, userOf(database)]));
  for (const [database, history] of histories) {
    for (const line of history) {
      if (line.k !== 'read') continue;
      for (const segments of Object.values(line.changed)) {
        const foreign = segments.find(
          ([, , text]) =>
            text > SET_UP_WRITE &&
            owners.get(Math.floor(text / 10_000_000)) !== owners.get(database),
        );
        if (foreign !== undefined)
          findings.add({
            property: 'P15',
            t: line.t,
            sentence: `database ${database} was shown a row of ${nameOf(foreign[2])}`,
            rows: [],
          });
      }
    }
  }
}

function judgeFaults({ run }: Evidence, findings: Findings<TwowayProperty>): void {
  for (const { fault, effects } of run.faults) {
    if (effects.length === 0) continue;
    findings.check('P27');
    if (fault === 'http-duplicate' || fault === 'http-replay' || fault === 'http-reorder')
      findings.check('P2');
    if (fault === 'kill-postgres') findings.check('P18');
    if (fault === 'kill-database' || fault === 'kill-server') findings.check('P19');
  }
}

function verdictOf(evidence: Evidence, findings: Findings<TwowayProperty>): TwowayVerdict {
  const { run, troubles } = evidence;
  const properties = (Object.keys(TWOWAY_PROPERTIES) as TwowayProperty[]).map((property) => {
    const checked = findings.checked(property);
    const verdict = findings.has(property) ? 'fail' : checked > 0 ? 'pass' : 'not exercised';
    return {
      property,
      title: TWOWAY_PROPERTIES[property],
      verdict,
      checked,
      witness: findings.witness(property),
    } as const;
  });
  const isGood = (property: TwowayProperty): boolean =>
    properties.some((one) => one.property === property && one.verdict === 'pass');
  const isPass = properties.every(({ verdict }) => verdict !== 'fail') && REQUIRED.every(isGood);
  return {
    ...{ verdict: isPass ? 'PASS' : 'FAIL', properties, settleMs: run.end.settleMs },
    totals: totalsOf(evidence),
    perDatabase: perDatabase(evidence),
    errorGroups: errorGroups(troubles),
    errorsByIteration: errorsByIteration(troubles, run.iterations),
    mostAffected: mostAffected(troubles),
    faults: [...new Set(run.faults.map(({ fault }) => fault))].sort().map((fault) => {
      const all = run.faults.filter((one) => one.fault === fault);
      return {
        fault,
        times: all.length,
        seen: all.filter(({ effects }) => effects.length > 0).length,
      };
    }),
  };
}
