import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NEVER, of, Subject, VirtualTimeScheduler } from 'rxjs';
import type { IndexedBatch } from '../../src/operators/bulk-index.ts';
import { type Entry, entryOf } from '../../src/operators/entry.ts';
import { settle } from '../../src/operators/settle.ts';
import { OwedKeys } from '../../src/pipeline/owed-keys.ts';
import { PartitionLog } from '../../src/pipeline/position.ts';
import { changeAt, newTable } from '../conformance/store-samples.ts';

const PLACE = { topic: 'shop', partition: 0 };

/** A batch of which the index took one key and refused another, and what settling it has asked the store for. */
function settling({ letters = new OwedKeys(), parkedVersion = 0 } = {}) {
  const log = new PartitionLog('shop', 0, 0);
  const table = newTable();
  const entryAt = (key: string, offset: number): Entry =>
    entryOf(changeAt(table, key, offset), log.admit(offset, offset + 1, null), 0);
  const [taken, refused] = [entryAt('taken', 0), entryAt('refused', 1)];
  taken.parkedVersion = parkedVersion;
  const settled: string[] = [];
  const indexed = {
    batch: { id: '1', settle: (entries: readonly Entry[]) => settled.push(...entries.map(({ change }) => change.key)) },
    table,
    delivered: [taken],
    rejected: [{ entry: refused, errorType: 'document_parsing_exception', detail: '' }],
    startedMs: 0,
    endedMs: 0,
  } as unknown as IndexedBatch;
  const answers = { letters: new Subject<void>(), unparked: new Subject<number>(), closed: new Subject<number>() };
  const asked: string[] = [];
  const call = <T>(name: string, answer: T): T => {
    asked.push(name);
    return answer;
  };
  const running = of(indexed).pipe(
    settle({
      store: {
        writeLetters: () => call('writeLetters', answers.letters),
        unpark: () => call('unpark', answers.unparked),
        closeLetters: () => call('closeLetters', answers.closed),
        addMonitorRows: () => NEVER,
      },
      buffer: { remove: () => NEVER },
      parked: new OwedKeys(),
      letters,
      report: () => undefined,
      scheduler: new VirtualTimeScheduler(),
    }),
  );
  return { answers, asked, settled, running };
}

test('a batch is settled when the last of the calls that must be durable has succeeded, not when the first has', () => {
  const { answers, running, settled } = settling();
  running.subscribe();
  answers.letters.complete();
  answers.closed.complete();
  assert.deepEqual(settled, []);
  answers.unparked.complete();
  assert.deepEqual(settled, ['taken', 'refused']);
});

test('a key that was parked closes its letters, though this instance knows of none', () => {
  const nothingKnown = new OwedKeys();
  nothingKnown.none(PLACE, nothingKnown.mark(PLACE));
  const { answers, asked, running } = settling({ letters: nothingKnown, parkedVersion: 1 });
  running.subscribe();
  answers.letters.complete();
  assert.deepEqual(asked, ['writeLetters', 'closeLetters']);
});

test('a key stays parked until its letters are closed, or nobody would close them after a crash', () => {
  const { answers, asked, running } = settling();
  running.subscribe();
  answers.letters.complete();
  assert.deepEqual(asked, ['writeLetters', 'closeLetters']);
  answers.closed.complete();
  assert.deepEqual(asked, ['writeLetters', 'closeLetters', 'unpark']);
});

test('a parked key that is refused stays parked until its letter is durable', () => {
  const { answers, asked, running } = settling();
  running.subscribe();
  assert.deepEqual(asked, ['writeLetters']);
  answers.letters.complete();
  answers.closed.complete();
  assert.deepEqual(asked, ['writeLetters', 'closeLetters', 'unpark']);
});
