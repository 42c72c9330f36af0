import { isAscii } from 'node:buffer';
import type { CanalRecord } from './canal-record.ts';
import { CanalTemplate, type Message } from './canal-template.ts';
import { DocumentWriter } from './document-writer.ts';
import { after, isDigit, QUOTE } from './json-bytes.ts';
import type { ParsedChanges } from './parsed-changes.ts';
import type { RowPlan } from './row-plan.ts';
import type { TableShape } from './table-shape.ts';

/** A table's messages differ in `sqlType` with its NULLs and blobs, and for a while after a DDL. */
const MAX_PER_NAME = 8;
const MAX_BYTES = 8 << 20;
/** Longer messages gain nothing that would be noticed. */
const MAX_LENGTH = 1 << 20;
/** So often the messages of a plan may turn out to be written otherwise. */
const MAX_FAILURES = 16;
const ENDS = (['INSERT', 'UPDATE', 'DELETE'] as const).map((operation) => {
  return { operation, bytes: Buffer.from(`,"type":"${operation}"}`) };
});
const TS = Buffer.from('","ts":');
/** U+FFFD: what Canal makes of text that is not UTF-8 in the binlog. */
const DAMAGE = Buffer.from('\ufffd');

/** The templates of all tables, by the table's name: at most 8 a name and 8 MiB in all, the oldest go first. */
export class CanalTemplates {
  private readonly byName = new Map<string, CanalTemplate[]>();
  private readonly failures = new WeakMap<RowPlan, number>();
  private readonly document = new DocumentWriter();
  private readonly maxRows: number;
  private bytes = 0;

  /** Messages of more rows are left to the full parser, which refuses them. */
  constructor(maxRows: number) {
    this.maxRows = maxRows;
  }

  /** Reads a message, which is valid UTF-8, into changes if one of the templates fits; false, and nothing in `out`, if none does. */
  read(value: Buffer, out: ParsedChanges): boolean {
    const message = messageOf(value);
    if (message === null) return false;
    const templates = this.byName.get(nameIn(message));
    if (templates === undefined || (!message.isAscii && value.includes(DAMAGE))) return false;
    for (let at = 0; at < templates.length; at += 1) {
      const template = templates[at] as CanalTemplate;
      if (template.read(message, this.document, out, this.maxRows)) {
        if (at > 0) templates.unshift(...templates.splice(at, 1));
        return true;
      }
      out.restart();
    }
    return false;
  }

  /** Takes up the form of a message that was read in full without a complaint. */
  learn(value: Buffer, record: CanalRecord, plan: RowPlan, shape: TableShape): void {
    const failures = this.failures.get(plan) ?? 0;
    if (failures >= MAX_FAILURES || value.length > MAX_LENGTH) return;
    this.failures.set(plan, failures + 1);
    const message = messageOf(value);
    const template = message && CanalTemplate.of(value, record, plan, shape);
    if (message === null || template === null) return;
    const name = nameIn(message);
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

function messageOf(value: Buffer): Message | null {
  for (const { bytes, operation } of ENDS) {
    const end = value.length - bytes.length;
    if (after(value, end, bytes) === value.length) return { value, operation, end, isAscii: isAscii(value) };
  }
  return null;
}

/** The text between the quotes in front of `,"ts":…`, as written: the table's name. What it gives for another message only finds no template. */
function nameIn({ end, value }: Message): string {
  let at = end;
  while (isDigit(value[at - 1])) at -= 1;
  const nameEnd = at - TS.length;
  if (after(value, nameEnd, TS) !== at) return '';
  at = nameEnd;
  while (at > 0 && value[at - 1] !== QUOTE) at -= 1;
  return value.toString('latin1', at, nameEnd);
}
