import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { asyncScheduler } from 'rxjs';
import { loadConfig } from '../config/load.ts';
import type { Table } from '../pipeline/change.ts';
import { SluiceError } from '../pipeline/errors.ts';
import type { PipelineEvent } from '../pipeline/events.ts';
import type { RecordFormat } from '../pipeline/ports.ts';
import { runService } from '../pipeline/run-service.ts';
import { readDirectoryIndex } from '../sinks/directory-sink.ts';
import type { Command, Output } from './command.ts';
import { connect, syncOptions } from './connect.ts';

const CAPTURE = fileURLToPath(new URL('../../demo/canal-shop.ndjson', import.meta.url));

/** Replays a real Canal capture through the whole pipeline on embedded adapters. */
export const demo: Command = {
  name: 'demo',
  summary: 'Replays a real Canal capture, no servers needed, and shows what was folded.',
  help: `Usage: sluice demo [options]

Reads the records that a real Canal server wrote for a small shop database, folds them to the last change of each row
and writes the documents to a directory. Journal, dead letters and positions go to SQLite. Both are made anew.

Options:
      --file FILE   another capture or file of Canal messages (default: the one that ships with sluice)
      --out DIR     where to write (default: out/demo)`,
  options: { file: { type: 'string' }, out: { type: 'string' } },
  async run({ values }, output) {
    const file = typeof values.file === 'string' ? values.file : CAPTURE;
    const out = typeof values.out === 'string' ? values.out : join('out', 'demo');
    const paths = { journal: join(out, 'journal.db'), index: join(out, 'index') };
    prepare(out, Object.values(paths));
    const config = loadConfig({
      environment: {},
      values: {
        source: { type: 'file', path: file },
        journal: { type: 'sqlite', path: paths.journal },
        index: { type: 'directory', path: paths.index },
      },
    });
    const tally = new Tally(output);
    const parts = connect(config, {
      report: (event) => tally.hear(event),
      onSourceEvent: () => undefined,
      scheduler: asyncScheduler,
    });
    await parts.store.open();
    output.message(
      `Replaying ${file === CAPTURE ? 'records of a real Canal server' : file}: file → parse → fold → documents`,
    );
    await runService({ ...parts, format: tally.counting(parts.format) }, syncOptions(config)).done;
    tally.print(readDirectoryIndex(paths.index));
    output.result(
      `\nDocuments: ${paths.index}/*.ndjson   Journal, dead letters: ${paths.journal} (tables buffer_backup, dead_letters)`,
    );
    return 0;
  },
};

/** Left in the directory, to know it again. */
const MARK = 'made-by-sluice-demo';

/** Makes the directory anew, but never one that somebody else made: a real journal and index may lie in it. */
function prepare(out: string, paths: readonly string[]): void {
  try {
    mkdirSync(out, { recursive: true });
    if (readdirSync(out).length > 0 && !existsSync(join(out, MARK))) {
      throw new SluiceError('E1002', `${out} holds files that sluice demo did not make`, {
        remedy: 'Name an empty or a new directory with --out',
      });
    }
    for (const path of paths)
      for (const stale of [path, `${path}-wal`, `${path}-shm`]) rmSync(stale, { recursive: true, force: true });
    writeFileSync(join(out, MARK), '');
  } catch (error) {
    if (error instanceof SluiceError) throw error;
    throw new SluiceError('E1002', `${out} cannot be written`, {
      detail: (error as NodeJS.ErrnoException).code ?? 'unknown',
      remedy: 'Name another directory with --out',
    });
  }
}

/** What happened to each table. */
class Tally {
  private readonly output: Output;
  private readonly tables = new Map<Table, { changes: number; writes: number; rejected: number }>();
  private records = 0;
  private rejected = 0;

  constructor(output: Output) {
    this.output = output;
  }

  /** The same format, counting changes by table. */
  counting(format: RecordFormat): RecordFormat {
    return {
      parse: (batch) => {
        const parsed = format.parse(batch);
        for (const { table } of parsed.changes) this.of(table).changes += 1;
        for (const { table } of parsed.rejected) if (table !== null) this.of(table).rejected += 1;
        return parsed;
      },
    };
  }

  hear(event: PipelineEvent): void {
    const { output } = this;
    if (event.type === 'parsed') {
      this.records += event.records;
      this.rejected += event.rejected;
      output.message(`  read     ${this.records} records`);
    } else if (event.type === 'window') {
      output.message(`  folded   ${event.changes} changes to ${event.keys} keys`);
    } else if (event.type === 'settled') {
      this.of(event.table).writes += event.upserts + event.deletes;
      output.message(`  indexed  ${event.upserts} documents, ${event.deletes} deletes of ${event.table.qualified}`);
    }
  }

  print(indexes: ReadonlyMap<string, ReadonlyMap<string, unknown>>): void {
    const rows = [...this.tables].map(([table, { changes, rejected, writes }]) => {
      const documents = indexes.get(table.index)?.size ?? 0;
      return { name: table.qualified, changes, writes, documents, rejected };
    });
    rows.sort((a, b) => b.changes - a.changes);
    const sum = (count: (row: (typeof rows)[number]) => number): number =>
      rows.reduce((all, row) => all + count(row), 0);
    const total = {
      name: 'all tables',
      changes: sum((row) => row.changes),
      writes: sum((row) => row.writes),
      documents: sum((row) => row.documents),
      rejected: this.rejected,
    };
    const line = (name: string, ...cells: (string | number)[]): string =>
      name.padEnd(28) + cells.map((cell) => String(cell).padStart(14)).join('');
    this.output.result(`\n${line('table', 'changes', 'writes', 'documents', 'dead letters')}`);
    for (const row of [...rows, total])
      this.output.result(line(row.name, row.changes, row.writes, row.documents, row.rejected));
    const saved = total.changes === 0 ? 0 : Math.round(100 * (1 - total.writes / total.changes));
    this.output.result(
      `\n${this.records} records held ${total.changes} row changes; ${total.writes} writes were enough (${saved} % saved).`,
    );
  }

  private of(table: Table): { changes: number; writes: number; rejected: number } {
    let counts = this.tables.get(table);
    if (counts === undefined) {
      counts = { changes: 0, writes: 0, rejected: 0 };
      this.tables.set(table, counts);
    }
    return counts;
  }
}
