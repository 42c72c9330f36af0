import { ignoreElements, mergeMap, type Observable, tap } from 'rxjs';
import type { DedupedBatch } from '../src/operators/latest-per-key.ts';
import { versionOf } from '../src/pipeline/change.ts';
import type { LoadSummary } from './load.ts';

/** A sink that takes every batch at once and remembers which version of each key it saw last. */
export class InstantSink {
  documents = 0;
  private readonly versions: Float64Array;
  private readonly load: LoadSummary;

  constructor(load: LoadSummary) {
    this.load = load;
    this.versions = new Float64Array(load.shape.keys + 1);
  }

  /** Takes what `latestPerKey` offers; completes with it. */
  take(due: Observable<Observable<DedupedBatch>>): Observable<never> {
    return due.pipe(
      mergeMap((offered) => offered, 4),
      tap((batch) => this.takeBatch(batch)),
      ignoreElements(),
    );
  }

  /** Throws unless the last version of every key came out, and last. */
  check(): void {
    for (const [key, { offset }] of this.load.last) {
      const expected = versionOf(0, offset);
      const found = this.versions[key];
      if (found !== expected) throw new Error(`key ${key} came out with version ${found}, not ${expected}`);
    }
  }

  private takeBatch(batch: DedupedBatch): void {
    this.documents += batch.entries.length;
    for (const { change } of batch.entries) this.versions[Number(change.key)] = change.version;
    batch.settle(batch.entries);
    batch.finish(true);
  }
}
