import { executeSql, type ServerSpec } from '../test/e2e/stack.ts';
import type { LoadSummary } from './load.ts';

const NAME = 'sluice_bench';

/** A database of the bench's own for the store, looked at from beside. */
export class JournalUnderTest {
  readonly url: string;
  private readonly spec: ServerSpec;

  constructor({ url, spec }: { readonly url: string; readonly spec: ServerSpec }) {
    const own = new URL(url);
    own.pathname = `/${NAME}`;
    this.url = own.href;
    this.spec = spec;
  }

  async empty(): Promise<void> {
    await executeSql(this.spec, `DROP DATABASE IF EXISTS ${NAME}; CREATE DATABASE ${NAME} CHARACTER SET utf8mb4`);
  }

  /** Rejects unless every change of the load is in the journal once, at its version. */
  check({ shape, versionSum }: LoadSummary): Promise<void> {
    return this.holds(shape.rows, versionSum);
  }

  /** Rejects unless nothing is in the journal. */
  checkEmpty(): Promise<void> {
    return this.holds(0, 0);
  }

  private async holds(rows: number, versions: number): Promise<void> {
    const sql = `SELECT COUNT(*), CAST(COALESCE(SUM(version), 0) AS CHAR) FROM ${NAME}.journal_0`;
    const [count, sum] = (await executeSql(this.spec, sql)).trim().split('\n').at(-1)?.split('\t') ?? [];
    if (count !== undefined && Number(count) === rows && Number(sum) === versions) return;
    throw new Error(`the journal holds ${count} changes (sum ${sum}), not ${rows} (${versions})`);
  }
}
