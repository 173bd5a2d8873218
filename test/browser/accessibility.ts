/**
 * What keeps people out, found in a page as it is drawn: controls without names, text with too little contrast,
 * missing landmarks, headings that skip a level, ids used twice, things that the keyboard does not reach, and pages
 * that are wider than their window. Compact, and our own: the usual checker has a licence that is not ours to take.
 */
import type { Page } from 'playwright-core';

/** One sentence for each fault; empty when there is none. */
export async function findings(page: Page): Promise<readonly string[]> {
  const inPage = await page.evaluate(look);
  return [...inPage, ...(await focusFindings(page))];
}

const TABS_MAX = 16;

/** Tab goes through every control in the order of the document, and each shows that it has the focus. */
async function focusFindings(page: Page): Promise<readonly string[]> {
  await page.evaluate(() => {
    // The next Tab begins at the top, wherever the focus was.
    document.body.tabIndex = -1;
    document.body.focus();
    document.body.removeAttribute('tabindex');
  });
  const faults: string[] = [];
  const reached: number[] = [];
  for (let tabs = 0; tabs < TABS_MAX; tabs += 1) {
    await page.keyboard.press('Tab');
    const now = await page.evaluate(focused);
    if (now === null || reached.includes(now.place)) break;
    if (now.place < (reached.at(-1) ?? -1)) faults.push(`focus goes back to ${now.name}`);
    if (!now.isShown) faults.push(`focus is not to be seen on ${now.name}`);
    reached.push(now.place);
  }
  if (reached.length < 3) faults.push(`Tab reaches ${reached.length} controls only`);
  return faults;
}

function focused(): { place: number; name: string; isShown: boolean } | null {
  const element = document.activeElement;
  if (element === null || element === document.body) return null;
  const { outlineStyle, outlineWidth } = getComputedStyle(element);
  return {
    place: [...document.querySelectorAll('*')].indexOf(element),
    name: `${element.tagName} ${(element.textContent ?? '').slice(0, 30)}`,
    isShown: outlineStyle !== 'none' && Number.parseFloat(outlineWidth) >= 1,
  };
}

/** Runs in the page: nothing from outside of it is known here. */
function look(): string[] {
  const faults: string[] = [];
  const all = (selector: string): HTMLElement[] => [
    ...document.querySelectorAll<HTMLElement>(selector),
  ];
  const isSeen = (element: HTMLElement): boolean =>
    element.checkVisibility({ opacityProperty: true, visibilityProperty: true }) &&
    element.closest('[aria-hidden="true"]') === null;
  const sayOf = (element: Element): string =>
    `<${element.tagName.toLowerCase()}> ${(element.textContent ?? '').trim().slice(0, 40)}`;

  const nameOf = (element: HTMLElement): string => {
    const by = element.getAttribute('aria-labelledby');
    const labelled =
      by === null
        ? ''
        : by
            .split(' ')
            .map((id) => document.getElementById(id)?.textContent ?? '')
            .join(' ');
    const labels = 'labels' in element ? [...((element as HTMLInputElement).labels ?? [])] : [];
    const own = element.matches('select, input, textarea') ? '' : (element.textContent ?? '');
    const images = [...element.querySelectorAll('img')].map(({ alt }) => alt).join(' ');
    const label = labels.map((one) => one.textContent ?? '').join(' ');
    return [element.getAttribute('aria-label') ?? '', labelled, label, own, images]
      .join(' ')
      .trim();
  };
  for (const control of all('a[href], button, input, select, textarea, [role="button"], summary'))
    if (isSeen(control) && nameOf(control) === '')
      faults.push(`a control without a name: ${control.outerHTML.slice(0, 80)}`);
  for (const image of all('img'))
    if (!image.hasAttribute('alt')) faults.push('an image without alt');

  if (document.documentElement.lang === '') faults.push('the page has no language');
  if (document.title === '') faults.push('the page has no title');
  if (all('main').length !== 1) faults.push(`${all('main').length} main landmarks`);
  for (const part of all('section, nav, [role="region"]'))
    if (!part.hasAttribute('aria-label') && !part.hasAttribute('aria-labelledby'))
      faults.push(`a landmark without a name: ${sayOf(part)}`);
  if (all('h1').length !== 1) faults.push(`${all('h1').length} headings of level 1`);
  let level = 0;
  for (const heading of all('h1, h2, h3, h4').filter(isSeen)) {
    const now = Number(heading.tagName[1]);
    if (now > level + 1) faults.push(`a heading skips a level: ${sayOf(heading)}`);
    level = now;
  }
  const ids = all('[id]').map(({ id }) => id);
  for (const id of new Set(ids))
    if (ids.filter((one) => one === id).length > 1) faults.push(`the id ${id} is used twice`);
  for (const table of all('table')) {
    if (table.querySelector('caption') === null)
      faults.push(`a table without a caption: ${sayOf(table)}`);
    if (table.querySelector('th[scope]') === null)
      faults.push(`a table without headers: ${sayOf(table)}`);
  }
  if (document.documentElement.scrollWidth > document.documentElement.clientWidth + 1)
    faults.push(
      `the page is ${document.documentElement.scrollWidth} wide, the window ${document.documentElement.clientWidth}`,
    );

  const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  /** Any colour of CSS as red, green, blue, alpha. */
  const rgba = (colour: string): readonly number[] => {
    if (canvas === null) return [0, 0, 0, 0];
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    const [red = 0, green = 0, blue = 0, alpha = 0] = canvas.getImageData(0, 0, 1, 1).data;
    return [red, green, blue, alpha / 255];
  };
  const over = (top: readonly number[], ground: readonly number[]): readonly number[] => {
    const alpha = top[3] ?? 0;
    return [0, 1, 2].map((at) => (top[at] ?? 0) * alpha + (ground[at] ?? 0) * (1 - alpha));
  };
  const groundOf = (element: Element): readonly number[] => {
    const parents: Element[] = [];
    for (let at: Element | null = element; at !== null; at = at.parentElement) parents.unshift(at);
    return parents.reduce(
      (ground, parent) => over(rgba(getComputedStyle(parent).backgroundColor), ground),
      [255, 255, 255] as readonly number[],
    );
  };
  const light = (colour: readonly number[]): number => {
    const [red = 0, green = 0, blue = 0] = colour.map((value) => {
      const share = value / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const told = new Set<string>();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node !== null; node = walker.nextNode()) {
    const parent = node.parentElement;
    if (parent === null || (node.textContent ?? '').trim() === '' || !isSeen(parent)) continue;
    if (parent.matches('option, script, style, noscript, :disabled')) continue;
    const style = getComputedStyle(parent);
    const ground = groundOf(parent);
    const [one, other] = [light(over(rgba(style.color), ground)), light(ground)];
    const contrast = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
    const size = Number.parseFloat(style.fontSize);
    const isLarge = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    if (contrast >= (isLarge ? 3 : 4.5)) continue;
    const fault = `contrast ${contrast.toFixed(2)} of ${sayOf(parent)}`;
    if (!told.has(fault)) faults.push(fault);
    told.add(fault);
  }
  return faults;
}
