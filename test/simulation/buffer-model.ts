import assert from 'node:assert/strict';
import type { Change } from '../../src/pipeline/change.ts';
import type { ChangeBuffer, KeyVersion } from '../../src/pipeline/ports.ts';
import { memoryBuffer } from '../../src/sinks/memory-buffer.ts';
import type { Random } from './random.ts';

/**
 * Redis: the memory buffer, which follows the same rules, watched at every call. It acts at once and answers what it
 * held by promises, which `checked` waits for.
 */
export class BufferModel {
  private readonly buffer: ChangeBuffer;
  private readonly checks: Promise<void>[] = [];
  private written: Change[] = [];

  constructor(now: () => number) {
    this.buffer = memoryBuffer({ scheduler: { now } });
  }

  upsert(changes: readonly Change[]): void {
    const before = changes.map(({ key, table }) => this.buffer.read(table, key));
    void this.buffer.upsert(changes);
    const after = changes.map(({ key, table }) => this.buffer.read(table, key));
    this.written.push(...changes);
    this.check(changes, before, after, (held, given) => Math.max(held ?? 0, given));
  }

  remove(keys: readonly KeyVersion[]): void {
    const before = keys.map(({ key, table }) => this.buffer.read(table, key));
    void this.buffer.remove(keys);
    const after = keys.map(({ key, table }) => this.buffer.read(table, key));
    this.check(keys, before, after, (held, given) => (held !== null && held > given ? held : null));
  }

  /** Forgets a key, the last writes (as a fail-over does) or everything. */
  lose(what: 'key' | 'last' | 'all', random: Random): void {
    const lost = what === 'all' ? this.written : this.written.slice(-random.between(1, 6));
    const forgotten = what === 'key' ? lost.slice(0, 1) : lost;
    void this.buffer.remove(forgotten.map(({ key, table }) => ({ table, key, version: Number.MAX_SAFE_INTEGER })));
    this.written = this.written.slice(0, this.written.length - lost.length);
    if (what !== 'last') return;
    const keys = new Set(lost.map(({ key, table }) => `${table.qualified}\n${key}`));
    void this.buffer.upsert(this.written.filter(({ key, table }) => keys.has(`${table.qualified}\n${key}`)));
  }

  /** Rejects when a call did not do what it should. */
  async checked(): Promise<void> {
    await Promise.all(this.checks);
  }

  private check(
    calls: readonly { key: string; version: number }[],
    before: readonly ReturnType<ChangeBuffer['read']>[],
    after: readonly ReturnType<ChangeBuffer['read']>[],
    expected: (held: number | null, given: number) => number | null,
  ): void {
    const compared = Promise.all([Promise.all(before), Promise.all(after)]).then(([held, left]) => {
      for (const [i, { key, version }] of calls.entries()) {
        const wanted = expected(held[i]?.version ?? null, version);
        assert.equal(left[i]?.version ?? null, wanted, `the buffer holds a wrong version of ${key}`);
      }
    });
    compared.catch(() => undefined); // told by `checked`
    this.checks.push(compared);
  }
}
