/** The matrix as it is kept: tests by name, their items by path, and of each a cell for every run that has it. */
import type { TestCell } from '../../planner/cells.ts';
import { type Grade, gradeOf } from '../../report/results.ts';

type ByRun = Map<number, TestCell>;

export type GridItem = {
  readonly path: string;
  /** `test/item` in small letters, for filters. */
  readonly key: string;
  readonly byRun: ByRun;
};

const ORDER: readonly Grade[] = ['broken', 'bad', 'open', 'skipped', 'good'];

const byText = (one: string, other: string): number => (one < other ? -1 : one > other ? 1 : 0);

/** Everything of one name, over all runs that are loaded. */
export class GridTest {
  readonly name: string;
  readonly key: string;
  /** The test itself or the roll-up of its items, by run. */
  readonly byRun: ByRun = new Map();
  readonly #items = new Map<string, GridItem>();
  #sorted: readonly GridItem[] | null = null;
  readonly #worst = new Map<number, TestCell | undefined>();

  constructor(name: string) {
    this.name = name;
    this.key = name.toLowerCase();
  }

  /** In the order of their paths. */
  get items(): readonly GridItem[] {
    this.#sorted ??= [...this.#items.values()].sort((one, other) => byText(one.path, other.path));
    return this.#sorted;
  }

  item(path: string): GridItem | undefined {
    return this.#items.get(path);
  }

  /** True also before its items are known. */
  get hasItems(): boolean {
    if (this.#items.size > 0) return true;
    for (const { isToplevel } of this.byRun.values()) if (isToplevel) return true;
    return false;
  }

  get isEmpty(): boolean {
    return this.byRun.size === 0 && this.#items.size === 0;
  }

  set(cell: TestCell): void {
    this.#worst.delete(cell.runId);
    if (cell.itemPath === '') {
      this.byRun.set(cell.runId, cell);
      return;
    }
    let item = this.#items.get(cell.itemPath);
    if (item === undefined) {
      const { itemPath: path } = cell;
      item = { path, key: `${this.key}/${path.toLowerCase()}`, byRun: new Map() };
      this.#items.set(path, item);
      this.#sorted = null;
    }
    item.byRun.set(cell.runId, cell);
  }

  delete({ runId, itemPath }: TestCell): void {
    this.#worst.delete(runId);
    const item = this.#items.get(itemPath);
    if (itemPath === '') this.byRun.delete(runId);
    else item?.byRun.delete(runId);
    if (item === undefined || item.byRun.size > 0) return;
    this.#items.delete(itemPath);
    this.#sorted = null;
  }

  /** The worst result of the test and its items in a run: what a folded line shows. */
  worst(runId: number): TestCell | undefined {
    if (this.#items.size === 0) return this.byRun.get(runId);
    if (!this.#worst.has(runId)) this.#worst.set(runId, this.#findWorst(runId));
    return this.#worst.get(runId);
  }

  #findWorst(runId: number): TestCell | undefined {
    let worst = this.byRun.get(runId);
    let rank = worst === undefined ? ORDER.length : ORDER.indexOf(gradeOf(worst));
    for (const { byRun } of this.#items.values()) {
      const cell = byRun.get(runId);
      if (cell === undefined) continue;
      const next = ORDER.indexOf(gradeOf(cell));
      if (next < rank) [worst, rank] = [cell, next];
    }
    return worst;
  }
}

export class Grid {
  /** Moves with every change. */
  version = 0;
  readonly #byName = new Map<string, GridTest>();
  readonly #byId = new Map<number, TestCell>();
  #sorted: readonly GridTest[] | null = null;

  /** In the order of their names. */
  get tests(): readonly GridTest[] {
    this.#sorted ??= [...this.#byName.values()].sort((one, other) => byText(one.name, other.name));
    return this.#sorted;
  }

  test(name: string): GridTest | undefined {
    return this.#byName.get(name);
  }

  /**
   * Cells that were read and cells that changed meanwhile come in any order: the newer one counts. True for one that was
   * not there.
   */
  set(cell: TestCell): boolean {
    const known = this.#byId.get(cell.id);
    if (known !== undefined && known.seq >= cell.seq) return false;
    this.version += 1;
    this.#byId.set(cell.id, cell);
    let test = this.#byName.get(cell.name);
    if (test === undefined) {
      test = new GridTest(cell.name);
      this.#byName.set(cell.name, test);
      this.#sorted = null;
    }
    test.set(cell);
    return known === undefined;
  }

  /** The run that it was of; null: there is no such cell. */
  delete(id: number): number | null {
    const cell = this.#byId.get(id);
    if (cell === undefined) return null;
    this.version += 1;
    this.#byId.delete(id);
    const test = this.#byName.get(cell.name);
    test?.delete(cell);
    if (test?.isEmpty === true) {
      this.#byName.delete(cell.name);
      this.#sorted = null;
    }
    return cell.runId;
  }

  deleteRun(runId: number): void {
    for (const [id, cell] of this.#byId) if (cell.runId === runId) this.delete(id);
  }

  clear(): void {
    this.version += 1;
    this.#byName.clear();
    this.#byId.clear();
    this.#sorted = null;
  }
}
