import type { CanalRecord } from './canal-record.ts';
import { type CanalScanner, sharedScanner } from './canal-scanner.ts';
import { CanalTemplate } from './canal-template.ts';
import { DocumentWriter } from './document-writer.ts';
import type { ParsedChanges } from './parsed-changes.ts';
import type { RowPlan } from './row-plan.ts';
import type { TableShape } from './table-shape.ts';

/** A table's messages differ in `sqlType` with its NULLs and blobs, and for a while after a DDL. */
const MAX_PER_TABLE = 8;
/** So often the messages of a plan may turn out to be written otherwise. */
const MAX_FAILURES = 16;

/** The templates of all tables: at most 8 a table, and all together what the scanner has room for. */
export class CanalTemplates {
  /** By the hash of database and table: two tables that share one share its templates. */
  private readonly byTable = new Map<number, CanalTemplate[]>();
  private readonly failures = new WeakMap<RowPlan, number>();
  private readonly document = new DocumentWriter();
  private readonly scanner: CanalScanner;
  private readonly maxRows: number;
  /** Of the scanner, when the templates were added to it. */
  private generation = 0;
  /** What read the last message, and the hash of its table: the next one is often like it. */
  private last: CanalTemplate | null = null;
  private lastTable = 0;

  /** Messages of more rows are left to the full parser, which refuses them. */
  constructor(maxRows: number, scanner: CanalScanner = sharedScanner()) {
    this.maxRows = maxRows;
    this.scanner = scanner;
  }

  /** Reads a message into changes if one of the templates fits; false, and nothing in `out`, if none does. */
  read(value: Buffer, out: ParsedChanges): boolean {
    const { scanner } = this;
    if (value.length > scanner.maxBytes) return false;
    this.keepUp();
    if (this.byTable.size === 0) return false;
    scanner.load(value);
    const table = scanner.tableHash;
    const tried = table === this.lastTable ? this.last : null;
    if (tried !== null && this.readBy(tried, value, out)) return true;
    const templates = this.byTable.get(scanner.nameHash) ?? [];
    for (let at = 0; at < templates.length; at += 1) {
      const template = templates[at] as CanalTemplate;
      if (template !== tried && this.readBy(template, value, out)) {
        if (at > 0) templates.unshift(...templates.splice(at, 1));
        this.last = template;
        this.lastTable = table;
        return true;
      }
    }
    return false;
  }

  /** Takes up the form of a message that was read in full without a complaint. */
  learn(value: Buffer, record: CanalRecord, plan: RowPlan, shape: TableShape): void {
    const failures = this.failures.get(plan) ?? 0;
    if (failures >= MAX_FAILURES || value.length > this.scanner.maxBytes) return;
    this.failures.set(plan, failures + 1);
    const template = CanalTemplate.of(this.scanner, value, record, plan, shape);
    this.keepUp();
    if (template === null) return;
    this.scanner.load(value);
    const { nameHash } = this.scanner;
    const templates = this.byTable.get(nameHash) ?? [];
    this.byTable.set(nameHash, templates);
    templates.unshift(template);
    templates.splice(MAX_PER_TABLE);
  }

  private readBy(template: CanalTemplate, value: Buffer, out: ParsedChanges): boolean {
    if (template.read(value, this.document, out, this.maxRows)) return true;
    out.restart();
    return false;
  }

  /** Forgets what the scanner has forgotten. */
  private keepUp(): void {
    if (this.generation === this.scanner.generation) return;
    this.generation = this.scanner.generation;
    this.byTable.clear();
    this.last = null;
  }
}
