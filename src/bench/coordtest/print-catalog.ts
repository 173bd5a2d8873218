/** The catalog as text: one line an item, in the order of creation. */
import { fullName } from '../../coordinator/sql/catalog.ts';
import type { SqlCoordinator } from '../../coordinator/sql/state.ts';

export function printCatalog(state: SqlCoordinator): string {
  const lines: string[] = [];
  for (const item of state.catalog.items.values()) {
    const front = state.fronts.get(item.id);
    const frontier = front === undefined ? '' : ` [${front.since}, ${front.upper ?? 'complete'})`;
    lines.push(`${item.id} ${item.kind} ${fullName(item.at)}${detail(item)}${frontier}\n`);
  }
  return lines.join('');
}

type Item = SqlCoordinator['catalog']['items'] extends Map<string, infer Value> ? Value : never;

function detail(item: Item): string {
  switch (item.kind) {
    case 'index':
      return ` on ${item.on}`;
    case 'sink':
      return ` from ${item.from}`;
    case 'view':
      return ` of (${item.query.items.join(', ')})`;
    default:
      return ` (${item.columns.map(({ name, type }) => `${name} ${type}`).join(', ')})`;
  }
}
