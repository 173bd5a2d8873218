/**
 * Finds out what an incident means: which rows differ, which transactions they are of, and so which property
 * is broken. Works on a few incidents; the model is run again for them.
 */
import { parseLsn } from '../../../core/lsn.ts';
import type { EvidenceTable, OracleEvent } from '../evidence.ts';
import type { Incident } from './checker.ts';
import type { Findings, Property } from './findings.ts';
import { EVERYONE, Model } from './model.ts';
import { type Difference, differencesOf, isSameRow, rowWords, shownRows } from './rows.ts';
import type { Streams } from './streams.ts';
import { type Commit, Lives, rowName, type Version } from './versions.ts';

/** Rows of the same transactions that are looked at, to see whether they are torn. */
const SIBLINGS_MAX = 20_000;

type Cause = {
  readonly property: Property;
  readonly text: string;
  /** The transaction that is missing, or shown too early. */
  readonly commit: Commit | null;
  readonly isAhead: boolean;
};

type Case = { readonly incident: Incident; readonly differences: readonly Difference[] };

/** Adds a finding for every property that the incidents break. */
export async function explain(
  incidents: readonly Incident[],
  evidence: {
    readonly streams: Streams;
    readonly tables: readonly EvidenceTable[];
    readonly findings: Findings;
  },
): Promise<void> {
  const { streams, tables, findings } = evidence;
  const cases = await casesOf(incidents, streams, tables);
  const names = new Set(
    cases.flatMap(({ differences }) =>
      differences.map(({ table, key }) => rowName(table.name, key)),
    ),
  );
  const lives = await livesOf(names, streams, tables);
  const explained = new Set<Incident>();
  for (const { incident, differences } of cases) {
    if (differences.length === 0) continue;
    explained.add(incident);
    explainRows({ incident, differences, lives, findings });
  }
  for (const incident of incidents) {
    if (!explained.has(incident)) explainDigest(incident, findings);
    explainPlace(incident, findings);
  }
}

/** Of these rows, and of all rows that were changed together with them. */
async function livesOf(
  names: ReadonlySet<string>,
  streams: Streams,
  tables: readonly EvidenceTable[],
): Promise<Lives> {
  const first = await Lives.read(streams, tables, names);
  const all = new Set([...names, ...first.siblings.slice(0, SIBLINGS_MAX)]);
  return Lives.read(streams, tables, all);
}

function isHeldBy({ selectors }: Incident): (selector: string) => boolean {
  return (selector) => selector === EVERYONE || selectors.includes(selector);
}

/** Runs the model once and stops at each position in question. */
async function casesOf(
  incidents: readonly Incident[],
  streams: Streams,
  tables: readonly EvidenceTable[],
): Promise<readonly Case[]> {
  const shown = await shownRows(streams, incidents);
  const waiting = [...shown].sort(([a], [b]) => a.position - b.position);
  const model = new Model(tables);
  const cases: Case[] = [];
  const stopBefore = (position: number): void => {
    while (waiting[0] !== undefined && waiting[0][0].position < position) {
      const [incident, rows] = waiting[0];
      waiting.shift();
      const isHeld = isHeldBy(incident);
      cases.push({ incident, differences: differencesOf(rows, model, { tables, isHeld }) });
    }
  };
  await streams.each<OracleEvent>('oracle', (event) => {
    stopBefore(parseLsn(event.ts, 'ts'));
    model.apply(event);
  });
  stopBefore(Number.POSITIVE_INFINITY);
  return cases;
}

function explainRows(of: Case & { readonly lives: Lives; readonly findings: Findings }): void {
  const { incident, differences, lives, findings } = of;
  const isHeld = isHeldBy(incident);
  const causes = differences.map((difference) => causeOf(difference, { incident, lives, isHeld }));
  const byProperty = new Map<Property, string[]>();
  causes.forEach(({ property, text }) => {
    byProperty.set(property, [...(byProperty.get(property) ?? []), text]);
  });
  const { t } = incident;
  for (const [property, rows] of byProperty) {
    const [sentence = '', ...others] = rows;
    findings.add({
      property,
      t,
      sentence: `${incident.replica} at ${incident.ts} ${sentence}`,
      rows: others.length > 0 ? others : rows,
    });
  }
  explainMissing(of, causes);
  explainTorn(of, causes);
}

/** What is missing after a marker, and what is missing because others overtook it. */
function explainMissing(
  { incident, findings }: Case & { readonly findings: Findings },
  causes: readonly Cause[],
): void {
  const missing = causes.filter(({ commit, isAhead }) => commit !== null && !isAhead);
  const [first] = missing;
  if (first?.commit == null) return;
  const rows = missing.map(({ text }) => text);
  const { t, replica, ts } = incident;
  if (incident.isByMarker) {
    const sentence = `a marker moved ${replica} to ${ts}, but the transaction of ${first.commit.ts} is missing: it ${first.text}`;
    findings.add({ property: 'P24', t, sentence, rows });
  }
  if (missing.every(({ commit }) => commit !== null && commit.txid < commit.txidBefore)) {
    const { txid, txidBefore } = first.commit;
    const sentence = `${replica} at ${ts} lacks transaction ${txid}, which was in flight when ${txidBefore} committed, and committed later, at ${first.commit.ts}`;
    findings.add({ property: 'P7', t, sentence, rows });
  }
}

/** Of one transaction some rows are shown and some are not. */
function explainTorn(
  of: Case & { readonly lives: Lives; readonly findings: Findings },
  causes: readonly Cause[],
): void {
  const { incident, differences, findings, lives } = of;
  const isHeld = isHeldBy(incident);
  const wrong = new Set(differences.map(({ table, key }) => rowName(table.name, key)));
  for (const { commit, text, isAhead } of causes) {
    // A transaction after the position whose other rows are not shown is torn, too.
    if (commit === null) continue;
    const own = commit.transitions.filter(
      ({ before, after }) =>
        (before !== null && isHeld(before.selector)) || (after !== null && isHeld(after.selector)),
    );
    const others = own.filter(
      ({ table, key, before, after }) =>
        !wrong.has(rowName(table.name, key)) &&
        !isSameRow(before?.row ?? null, after?.row ?? null) &&
        // Overwritten since, the row says nothing about this transaction.
        (isAhead || lives.versionAt(table.name, key, incident.position)?.commit.ts === commit.ts),
    );
    const [other] = others;
    if (other === undefined) continue;
    const { t, replica, ts } = incident;
    const what = isAhead ? 'is not shown yet' : 'is shown';
    const sentence = `${replica} at ${ts} shows a part of the transaction of ${commit.ts}: it ${text}, while ${other.table.name} ${other.key} of the same transaction ${what}`;
    const rows = causes.filter((cause) => cause.commit === commit).map((cause) => cause.text);
    findings.add({ property: 'P5', t, sentence, rows });
    const selectors = new Set(
      own.flatMap(({ before, after }) =>
        [before?.selector, after?.selector].filter(
          (selector) => selector !== undefined && isHeld(selector),
        ),
      ),
    );
    if (selectors.size > 1) findings.add({ property: 'P6', t, sentence, rows });
    return;
  }
}

type Context = {
  readonly incident: Incident;
  readonly lives: Lives;
  readonly isHeld: (selector: string) => boolean;
};

function causeOf(difference: Difference, context: Context): Cause {
  return difference.got === null ? missingRow(difference, context) : wrongRow(difference, context);
}

/** The row should be there and is not. */
function missingRow({ table, key, want }: Difference, { incident, lives, isHeld }: Context): Cause {
  const versions = lives.versions(table.name, key);
  const version = lives.versionAt(table.name, key, incident.position);
  const name = `${table.name} ${key}`;
  if (version === undefined || want === null) return odd(`lacks ${name}`);
  const { commit } = version;
  const later = versions[versions.indexOf(version) + 1];
  if (isAheadAsAWhole(incident) && later !== undefined) {
    const text = `already lacks ${name}, which goes at ${later.commit.ts} only`;
    return { property: 'P2', text, commit: later.commit, isAhead: true };
  }
  const before = versions[versions.indexOf(version) - 1]?.after ?? null;
  const state = rowWords(want.row, null);
  if (before !== null && !isHeld(before.selector)) {
    const text = `lacks ${name}, which moved from ${before.selector} to ${want.selector} at ${commit.ts} (${state})`;
    return { property: 'P17', text, commit, isAhead: false };
  }
  const text = `lacks ${name}, which was written at ${commit.ts} (${state})`;
  return { property: 'P1', text, commit, isAhead: false };
}

/** The replica shows a row that should not be there, or not like this. */
function wrongRow(difference: Difference, context: Context): Cause {
  const { table, key, want, got } = difference;
  const { incident, lives, isHeld } = context;
  const name = `${table.name} ${key}`;
  const shown = got === null ? '' : rowWords(got, want?.row ?? null);
  const versions = lives.versions(table.name, key);
  const is = ({ after }: Version): boolean => after !== null && isSameRow(after.row, got);
  // A row may have been the same twice: which one it is, the other rows tell.
  const past = versions.findLastIndex((one) => one.commit.position <= incident.position && is(one));
  const future = versions.findIndex((one) => one.commit.position > incident.position && is(one));
  const isFuture = future >= 0 && (past < 0 || isAheadAsAWhole(incident));
  const index = isFuture ? future : past;
  const version = versions[index];
  if (version?.after == null) return neverCommitted(difference, context);
  const { commit, after } = version;
  if (!isHeld(after.selector)) {
    const text = `shows ${name} with ${shown}, a row of ${after.selector}, which it does not hold`;
    return { property: 'P17', text, commit: null, isAhead: false };
  }
  if (commit.position > incident.position) {
    const text = `shows ${name} with ${shown}, but that commits at ${commit.ts} only: when the stream delivers it, it is applied twice`;
    return { property: 'P2', text, commit, isAhead: true };
  }
  return outdated({ name, shown, next: versions[index + 1], want: difference.want, isHeld });
}

/** True when everything is as it was at a later position. */
function isAheadAsAWhole({ stateOf, position }: Incident): boolean {
  return stateOf !== null && stateOf > position;
}

/** The replica shows a version that a later transaction, at or before its position, has replaced. */
function outdated(of: {
  readonly name: string;
  readonly shown: string;
  readonly next: Version | undefined;
  readonly want: Difference['want'];
  readonly isHeld: (selector: string) => boolean;
}): Cause {
  const { name, shown, next, want, isHeld } = of;
  if (next === undefined) return odd(`shows ${name} with ${shown}`);
  const { commit, after } = next;
  if (after === null) {
    const text = `shows ${name} with ${shown}, but it was deleted at ${commit.ts}`;
    return { property: 'P1', text, commit, isAhead: false };
  }
  if (!isHeld(after.selector)) {
    const text = `still shows ${name} with ${shown}, but it moved to ${after.selector} at ${commit.ts}`;
    return { property: 'P17', text, commit, isAhead: false };
  }
  const now = want === null ? 'it is gone' : `it is ${rowWords(want.row, null)}`;
  const text = `shows ${name} with ${shown}, but since ${commit.ts} ${now}`;
  return { property: 'P1', text, commit, isAhead: false };
}

function neverCommitted({ table, key, want, got }: Difference, { lives }: Context): Cause {
  const name = `${table.name} ${key}`;
  if (got === null) return odd(name);
  const tx = lives.rolledBackBy(table.name, key, got);
  if (tx !== undefined) {
    const text = `shows ${name} with ${rowWords(got, want?.row ?? null)}, which ${tx} wrote and rolled back`;
    return { property: 'P3', text, commit: null, isAhead: false };
  }
  const text =
    want === null
      ? `shows ${name} with ${rowWords(got, null)}, which nobody has written`
      : `shows ${name} with ${rowWords(got, want.row)}, but what was written is ${rowWords(want.row, got)}`;
  const property = lives.versions(table.name, key).length === 0 ? 'P3' : 'P22';
  return { property, text, commit: null, isAhead: false };
}

function odd(text: string): Cause {
  return { property: 'P1', text, commit: null, isAhead: false };
}

/** Without rows: only which state it is, or that it is none. */
function explainDigest(incident: Incident, findings: Findings): void {
  const { t, sentence, stateOf, position, isByMarker, isPartly, kind } = incident;
  const add = (property: Property, more: string): void =>
    findings.add({ property, t, sentence: `${sentence}; ${more}`, rows: [] });
  if (stateOf === null) {
    add('P1', 'it was so at no position');
    if (kind === 'read') add('P5', 'it was so at no position');
    if (isPartly) add('P6', 'other parts are right there');
  } else if (stateOf > position) {
    add('P2', 'it was so later: what comes again is applied twice');
  } else {
    add('P1', 'it was so before: something is missing');
    if (isByMarker) add('P24', 'a marker moved it there');
  }
}

/** What the place of the incident says, whatever the rows are. */
function explainPlace(incident: Incident, findings: Findings): void {
  const { t, sentence, isAtCopy, isNoCommit } = incident;
  if (isAtCopy) {
    findings.add({ property: 'P7', t, sentence: `a copy is wrong: ${sentence}`, rows: [] });
  }
  if (isNoCommit) {
    const text = `a local transaction claims a position at which nothing of it was committed: ${sentence}`;
    findings.add({ property: 'P4', t, sentence: text, rows: [] });
  }
}
