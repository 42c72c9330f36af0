import type { RoutedTable } from '../pipeline/tables.ts';
import { isLong } from './column-codec.ts';
import { indexMapping } from './index-mapping.ts';
import { isPlanOf, type PlannedColumn, type RowPlan, type RowShape, rowPlan } from './row-plan.ts';

const MAX_PLANS = 8;
/** MySQL's own limit of columns in a table. */
const MAX_COLUMNS = 4096;

/**
 * What is known of one table: plans for its rows, and the columns seen since its last DDL. An image that lacks one of
 * those columns is no whole row, and writing it as a document would lose the column.
 */
export class TableShape {
  readonly route: RoutedTable;
  private readonly plans: RowPlan[] = [];
  private readonly known = new Map<string, PlannedColumn>();
  private last: { plan: RowPlan; missing: readonly string[]; isTrimmed: boolean } | null = null;
  private keyNames: string | null = null;
  private keys: readonly PlannedColumn[] | null = null;
  private isKeyKnown = false;

  constructor(route: RoutedTable) {
    this.route = route;
  }

  /** The plan for rows with these columns. Made once for each of the last 8 shapes; a new one brings the mapping up to date. */
  planOf(names: readonly string[], shape: RowShape): RowPlan {
    const at = this.plans.findIndex((plan) => isPlanOf(plan, names, shape));
    if (at === 0) return this.plans[0] as RowPlan;
    const plan = at > 0 ? (this.plans.splice(at, 1)[0] as RowPlan) : rowPlan(names, shape, this.route.rule);
    this.plans.unshift(plan);
    this.plans.length = Math.min(this.plans.length, MAX_PLANS);
    this.extendMapping(plan);
    return plan;
  }

  /**
   * Columns that earlier rows had and rows of this plan lack; the plan's own columns are known from now on. An INSERT
   * shows that a column is gone (a DDL nobody sent), but for long ones: NOBLOB images leave them out of an INSERT as well.
   */
  missingFrom(plan: RowPlan, isInsert: boolean): readonly string[] {
    const { last } = this;
    if (last?.plan === plan && (last.missing.length === 0 || last.isTrimmed || !isInsert)) return last.missing;
    if (this.known.size > MAX_COLUMNS) this.known.clear();
    for (const column of plan.columns) this.known.set(column.name, column);
    const present = new Set(plan.names);
    const missing = [...this.known.values()].filter(({ name }) => !present.has(name));
    const gone = isInsert ? missing.filter(({ codec }) => !isLong(codec.type)) : [];
    for (const { name } of gone) this.known.delete(name);
    const left = missing.filter((column) => !gone.includes(column));
    this.last = { plan, missing: left.map(({ name }) => name), isTrimmed: isInsert };
    return missing.map(({ name }) => name);
  }

  /** True when rows of this table had a key since its last DDL: one without is an incomplete image. */
  get hasKey(): boolean {
    return this.isKeyKnown;
  }

  /** Notes the key columns of a plan. True when they are not those of the rows before: documents under the former ids stay. */
  isKeyNew(keys: readonly PlannedColumn[]): boolean {
    this.isKeyKnown = true;
    this.keys = keys;
    const former = this.keyNames;
    this.keyNames = keys.length === 1 ? (keys[0] as PlannedColumn).name : JSON.stringify(keys.map(({ name }) => name));
    return former !== null && former !== this.keyNames;
  }

  /** True when the rows just before had this plan and lacked nothing: then there is nothing to learn from, or to say of, more of them. */
  isUsedTo(plan: RowPlan): boolean {
    return this.last?.plan === plan && this.last.missing.length === 0 && this.keys === plan.keys && this.isKeyKnown;
  }

  /** A DDL may have changed anything. */
  forget(): void {
    this.known.clear();
    this.last = null;
    this.isKeyKnown = false;
  }

  private extendMapping(plan: RowPlan): void {
    const { rule, table } = this.route;
    const before = table.mapping ?? {};
    const seen: [string, object][] = [];
    for (const column of plan.columns) {
      if (column.prefix === null) continue;
      const property = indexMapping(column.codec.type, rule);
      const former = Object.hasOwn(before, column.field) ? before[column.field] : undefined;
      if (JSON.stringify(former) !== JSON.stringify(property)) seen.push([column.field, property]);
    }
    // A new object each time: whoever compares identities sees that there is something to put to the index.
    if (seen.length > 0 || table.mapping === null) {
      table.mapping = Object.freeze(Object.fromEntries([...Object.entries(before), ...seen]));
    }
  }
}
