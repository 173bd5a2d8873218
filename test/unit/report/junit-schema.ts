/** What readers of JUnit XML agree on (the schemas of Jenkins and of Ant), as a check of one text. */

/** Children and attributes of each element; an attribute with `!` is needed. */
const SCHEMA: Readonly<Record<string, { readonly children: string; readonly attributes: string }>> =
  {
    testsuites: { children: 'testsuite', attributes: 'name tests! failures! errors! skipped time' },
    testsuite: {
      children: 'properties testcase',
      attributes: 'name! tests! failures! errors! skipped time timestamp',
    },
    properties: { children: 'property', attributes: '' },
    property: { children: '', attributes: 'name! value!' },
    testcase: { children: 'skipped failure error system-out', attributes: 'name! classname! time' },
    skipped: { children: '', attributes: 'message' },
    failure: { children: '', attributes: 'message type' },
    error: { children: '', attributes: 'message type' },
    'system-out': { children: '', attributes: '' },
  };

const TAG = /<(\/?)([\w-]+)((?: [\w-]+="[^"<]*")*)(\/?)>/y;
const NUMBERS = ['tests', 'failures', 'errors', 'skipped'];

type Open = {
  readonly name: string;
  readonly counts: Readonly<Record<string, number>>;
  seen: Record<string, number>;
};

/** Each as a sentence; empty: it is as it should be. */
export function junitProblems(xml: string): readonly string[] {
  const [head = '', ...rest] = xml.split('\n');
  const body = rest.join('\n');
  const problems = head === '<?xml version="1.0" encoding="UTF-8"?>' ? [] : ['no declaration'];
  const stack: Open[] = [];
  for (let at = body.indexOf('<'); at >= 0; at = body.indexOf('<', TAG.lastIndex)) {
    TAG.lastIndex = at;
    const [tag, isEnd, name = '', attributes = '', isEmpty] = TAG.exec(body) ?? [];
    if (tag === undefined) return [...problems, `no tag at ${at}: ${body.slice(at, at + 40)}`];
    if (isEnd === '/') problems.push(...closed(stack.pop(), name));
    else {
      problems.push(...opened(stack, name, attributes));
      if (isEmpty === '/') problems.push(...closed(stack.pop(), name));
    }
  }
  return [...problems, ...stack.map(({ name }) => `${name} is not closed`), ...badText(body)];
}

function opened(stack: Open[], name: string, text: string): readonly string[] {
  const schema = SCHEMA[name];
  const parent = stack.at(-1);
  const values = new Map(
    [...text.matchAll(/ ([\w-]+)="([^"]*)"/g)].map(([, key = '', value = '']) => [key, value]),
  );
  const counts = NUMBERS.flatMap((key) =>
    values.has(key) ? [[key, Number(values.get(key))] as const] : [],
  );
  for (const open of stack) open.seen[name] = (open.seen[name] ?? 0) + 1;
  stack.push({ name, counts: Object.fromEntries(counts), seen: {} });
  if (schema === undefined) return [`${name} is no element`];
  const known = schema.attributes.split(' ');
  const mayBe =
    parent === undefined
      ? name === 'testsuites'
      : SCHEMA[parent.name]?.children.split(' ').includes(name);
  return [
    ...(mayBe === true ? [] : [`${name} in ${parent?.name ?? 'nothing'}`]),
    ...[...values.keys()].filter((key) => !known.includes(key) && !known.includes(`${key}!`)),
    ...known.filter((key) => key.endsWith('!') && !values.has(key.slice(0, -1))),
    ...counts.filter(([, n]) => !Number.isInteger(n)).map(([key]) => `${key} is no number`),
  ];
}

const COUNTED: Readonly<Record<string, string>> = {
  ...{ tests: 'testcase', failures: 'failure', errors: 'error', skipped: 'skipped' },
};

function closed(open: Open | undefined, name: string): readonly string[] {
  if (open?.name !== name) return [`${name} closes ${open?.name ?? 'nothing'}`];
  return Object.entries(open.counts)
    .filter(([key, n]) => (open.seen[COUNTED[key] ?? ''] ?? 0) !== n)
    .map(([key, n]) => `${name} says ${n} ${key}`);
}

/** Characters and references that XML 1.0 does not have. */
function badText(body: string): readonly string[] {
  const bad =
    /[^\t\n\r -\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]|&(?!(?:amp|lt|gt|quot|#39);)/u.exec(body);
  return bad === null ? [] : [`a character that may not be there at ${bad.index}`];
}
