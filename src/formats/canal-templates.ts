import type { CanalRecord } from './canal-record.ts';
import { type CanalScanner, sharedScanner } from './canal-scanner.ts';
import { CanalTemplate, ENDS } from './canal-template.ts';
import { DocumentWriter } from './document-writer.ts';
import type { ParsedChanges } from './parsed-changes.ts';
import type { RowPlan } from './row-plan.ts';
import type { TableShape } from './table-shape.ts';

/** A table's messages differ in `sqlType` with its NULLs and blobs, and for a while after a DDL. */
const MAX_PER_NAME = 8;
/** So often the messages of a plan may turn out to be written otherwise. */
const MAX_FAILURES = 16;
const TS = '","ts":';
/** What a message ends with behind its table's name: a time of up to 20 digits, and what was done. */
const MAX_END = TS.length + 20 + (ENDS[0] as string).length;
/** MySQL's names have at most 64 characters. */
const MAX_NAME = 4 * 64;

/** The templates of all tables, by the table's name: at most 8 a name, and all together what the scanner has room for. */
export class CanalTemplates {
  private readonly byName = new Map<string, CanalTemplate[]>();
  private readonly failures = new WeakMap<RowPlan, number>();
  private readonly document = new DocumentWriter();
  private readonly scanner: CanalScanner;
  private readonly maxRows: number;
  /** Of the scanner, when the templates were added to it. */
  private generation = 0;
  /** What read the last message: most likely the next one is like it. */
  private last: CanalTemplate | null = null;

  /** Messages of more rows are left to the full parser, which refuses them. */
  constructor(maxRows: number, scanner: CanalScanner = sharedScanner()) {
    this.maxRows = maxRows;
    this.scanner = scanner;
  }

  /** Reads a message into changes if one of the templates fits; false, and nothing in `out`, if none does. */
  read(value: Buffer, out: ParsedChanges): boolean {
    const { last, scanner } = this;
    if (value.length > scanner.maxBytes) return false;
    this.keepUp();
    if (this.byName.size === 0) return false;
    scanner.load(value);
    if (last !== null && this.readBy(last, value, out)) return true;
    const templates = this.byName.get(nameIn(value)) ?? [];
    for (let at = 0; at < templates.length; at += 1) {
      const template = templates[at] as CanalTemplate;
      if (template !== last && this.readBy(template, value, out)) {
        if (at > 0) templates.unshift(...templates.splice(at, 1));
        this.last = template;
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
    const name = nameIn(value);
    const templates = this.byName.get(name) ?? [];
    this.byName.set(name, templates);
    templates.unshift(template);
    templates.splice(MAX_PER_NAME);
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
    this.byName.clear();
    this.last = null;
  }
}

/**
 * The text between the quotes in front of `,"ts":…`, as written: the table's name. For a message of another form it is
 * anything, and only says which templates are tried.
 */
function nameIn(value: Buffer): string {
  const tail = value.toString('latin1', Math.max(0, value.length - MAX_NAME - MAX_END));
  const end = tail.lastIndexOf(TS);
  return end < 0 ? '' : tail.slice(tail.lastIndexOf('"', end - 1) + 1, end);
}
