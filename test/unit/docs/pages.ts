/** Reading of docs/: sections, tables, examples, links, the tests that invariants name. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..', '..', '..');

export function read(path: string): string {
  return readFileSync(join(ROOT, path), 'utf8');
}

/** The text below a heading, up to the next one of the same or a higher level. */
export function section(page: string, heading: string): string {
  const lines = page.split('\n');
  const start = lines.indexOf(heading);
  if (start < 0) return '';
  const level = heading.indexOf(' ');
  const isNext = (line: string): boolean => /^#+ /.test(line) && line.indexOf(' ') <= level;
  const length = lines.slice(start + 1).findIndex(isNext);
  return lines.slice(start + 1, length < 0 ? undefined : start + 1 + length).join('\n');
}

/** Cells of the body rows of the tables in a text, without the backticks around a whole cell. */
export function rows(text: string): readonly (readonly string[])[] {
  return text
    .split('\n')
    .filter((line) => /^\| /.test(line))
    .map((line) =>
      line
        .split(/(?<!\\)\|/)
        .slice(1, -1)
        .map(bare),
    )
    .filter(([first = '']) => !['setting', 'code', 'metric', 'state'].includes(first));
}

function bare(cell: string): string {
  return cell
    .trim()
    .replace(/^`([^`]*)`$/, '$1')
    .replaceAll('\\|', '|');
}

export function fenced(page: string, language: string): readonly string[] {
  return [...page.matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\``, 'gm'))].map(
    ([, body = '']) => body,
  );
}

/** What one side has and the other has not. */
export function differences(page: readonly string[], code: readonly string[]): readonly string[] {
  const unknown = page.filter((name) => !code.includes(name));
  const missing = code.filter((name) => !page.includes(name));
  const twice = page.filter((name, at) => page.indexOf(name) !== at);
  return [
    ...unknown.map((name) => `${name} is in the page only`),
    ...missing.map((name) => `${name} is in the code only`),
    ...twice.map((name) => `${name} stands twice`),
  ];
}

export type Titles = ReadonlyMap<string, string>;

/** Texts of all test files, by path. */
export const TEST_FILES: Titles = new Map(
  readdirSync(join(ROOT, 'test'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => [`test/${name}`, read(`test/${name}`)]),
);

/** First arguments of calls whose second one is a function: `test('title', () => {`. */
function titlesOf(text: string): ReadonlySet<string> {
  const calls = /\(\s*(['"`])((?:\\.|(?!\1)[^\\])*)\1,\s*(?:async\b|\(|_?\w+ =>|\{)/g;
  return new Set(
    [...text.matchAll(calls)].map(([, , title = '']) => title.replace(/\\(.)/g, '$1')),
  );
}

export function checkInvariants(page: string, files: Titles): readonly string[] {
  const text = section(page, '## Invariants');
  const parts = text.split(/^(?=\*\*[A-Z]\d+\*\*)/m).filter((part) => part.startsWith('**'));
  const counts = new Map<string, number>();
  return parts.flatMap((part) => {
    const [, name = '', letter = '', number = ''] = /^\*\*(([A-Z])(\d+))\*\*/.exec(part) ?? [];
    const expected = (counts.get(letter) ?? 0) + 1;
    counts.set(letter, expected);
    const held = [...part.matchAll(/"([^"]+)"\s+\(([\w./-]+)\)/g)];
    const quotes = part.split('Held by:')[1]?.match(/"/g)?.length ?? 0;
    return [
      ...(Number(number) === expected ? [] : [`${name} is out of order`]),
      ...(held.length > 0 && quotes === held.length * 2 ? [] : [`${name} names no test`]),
      ...held
        .filter(([, title = '', file = '']) => !titlesOf(files.get(file) ?? '').has(title))
        .map(([, title, file]) => `${name}: ${file} has no test "${title}"`),
    ];
  });
}

/** GitHub's name of a heading. */
function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replace(/[^\w\- ]/g, '')
    .replaceAll(' ', '-');
}

export function checkLinks(path: string, page: string): readonly string[] {
  const text = page.replace(/^```[\s\S]*?^```/gm, '');
  const links = [...text.matchAll(/\]\(([^)\s]+)\)/g)].map(([, link = '']) => link);
  return links.flatMap((link) => {
    if (/^[a-z]+:/.test(link)) return [];
    const [file = '', anchor] = link.split('#');
    const target = file === '' ? path : join(dirname(path), file);
    if (!existsSync(join(ROOT, target))) return [`${path}: ${link} leads nowhere`];
    if (anchor === undefined) return [];
    const content = target === path ? page : read(target);
    const headings = [...content.matchAll(/^#+ (.*)$/gm)].map(([, one = '']) => anchorOf(one));
    return headings.includes(anchor) ? [] : [`${path}: ${link} names no heading`];
  });
}
