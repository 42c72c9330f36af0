import type { CanalRecord } from './canal-record.ts';
import { CanalTemplate } from './canal-template.ts';
import type { ParsedChanges } from './parsed-changes.ts';
import type { RowPlan } from './row-plan.ts';
import type { TableShape } from './table-shape.ts';

/** A table's messages differ in `sqlType` with its NULLs and blobs, and for a while after a DDL. */
const MAX_PER_NAME = 8;
const MAX_BYTES = 8 << 20;
/** Longer messages gain nothing that would be noticed. */
const MAX_TEXT = 1 << 20;
/** So often the messages of a plan may turn out to be written otherwise. */
const MAX_FAILURES = 16;

/** The templates of all tables, by the table's name: at most 8 a name and 8 MiB in all, the oldest go first. */
export class CanalTemplates {
  private readonly byName = new Map<string, CanalTemplate[]>();
  private readonly failures = new WeakMap<RowPlan, number>();
  private readonly maxRows: number;
  private bytes = 0;

  /** Messages of more rows are left to the full parser, which refuses them. */
  constructor(maxRows: number) {
    this.maxRows = maxRows;
  }

  /** Reads a message into changes if one of the templates fits; false, and nothing in `out`, if none does. */
  read(text: string, out: ParsedChanges): boolean {
    const templates = this.byName.get(nameIn(text));
    if (templates === undefined) return false;
    for (let at = 0; at < templates.length; at += 1) {
      const template = templates[at] as CanalTemplate;
      if (template.read(text, out, this.maxRows)) {
        if (at > 0) templates.unshift(...templates.splice(at, 1));
        return true;
      }
      out.restart();
    }
    return false;
  }

  /** Takes up the form of a message that was read in full without a complaint. */
  learn(text: string, record: CanalRecord, plan: RowPlan, shape: TableShape): void {
    const failures = this.failures.get(plan) ?? 0;
    if (failures >= MAX_FAILURES || text.length > MAX_TEXT) return;
    this.failures.set(plan, failures + 1);
    const template = CanalTemplate.of(text, record, plan, shape);
    if (template === null) return;
    const name = nameIn(text);
    const templates = this.byName.get(name) ?? [];
    this.byName.set(name, templates);
    templates.unshift(template);
    this.bytes += template.bytes;
    for (const old of templates.splice(MAX_PER_NAME)) this.bytes -= old.bytes;
    this.shrink(name);
  }

  private shrink(kept: string): void {
    for (const [name, templates] of this.byName) {
      if (this.bytes <= MAX_BYTES || name === kept) return;
      this.byName.delete(name);
      for (const old of templates) this.bytes -= old.bytes;
    }
  }
}

/** The text of the last `"table":"…"`; what it gives for another message only finds no template. */
function nameIn(text: string): string {
  const label = '"table":"';
  const at = text.lastIndexOf(label);
  return at < 0 ? '' : text.slice(at + label.length, text.indexOf('"', at + label.length));
}
