import { test } from 'node:test';
import {
  count,
  distinctUntilChanged,
  finalize,
  from,
  interval,
  map,
  type Observable,
  type SchedulerLike,
  startWith,
} from 'rxjs';
import type { BulkIndexOptions } from '../src/operators/bulk-index.ts';
import { bulkWords, drawnIndex, outcomes } from './bulk-index-words.ts';
import { inVirtualTime } from './in-virtual-time.ts';

type Index = BulkIndexOptions['index'];

/** Every key is a request of its own. */
const window = { batch: { documents: 1, bytes: 1 << 20 } };

/** So many keys in order, and the word of each by its letter. */
function keys(count: number): { words: string; values: Record<string, string> } {
  const letters = [...'abcdefghijklmnopqrstuvwxyz'].slice(0, count);
  const values = Object.fromEntries(letters.map((letter, i) => [letter, `${letter}${i + 1}`]));
  return { words: Object.values(values).join(' '), values };
}

/** Counts the requests in flight. The count is looked at once a millisecond, when what ends in it may not have. */
function counted(index: Index, scheduler: SchedulerLike): { index: Index; requests: Observable<number> } {
  let now = 0;
  const write: Index['write'] = (writes) => {
    now += 1;
    return from(index.write(writes)).pipe(
      finalize(() => {
        now -= 1;
      }),
    );
  };
  const requests = interval(1, scheduler).pipe(
    map(() => now),
    startWith(0),
    distinctUntilChanged(),
  );
  return { index: { write }, requests };
}

const COUNTS = [0, 1, 2, 3, 4];
const backoff = { firstMs: 3, random: () => 1 };

test('an overloaded index gets half as many requests at a time', () => {
  inVirtualTime(({ cold, hot, expectObservable, scheduler }) => {
    const { words, values } = keys(8);
    const records = hot('  1-----------------------------------------|', { 1: words });
    const busy = cold('      ---------(r|)', outcomes({ r: 'busy' }));
    const taken = cold('     ----------(r|)', outcomes({ r: 'done' }));
    const asked = '        --(abcd)----e-a-------f-g-------h----------'; //  a waits in its slot from 11 to 14
    const counts = '       0-4--------31-2-------------------1-------0';
    const settled = '      ------------(bcd)-----e-a-------f-g-------(h|)';
    const { index, asked: calls } = drawnIndex(busy, taken);
    const { index: watched, requests } = counted(index, scheduler);
    const written = records.pipe(bulkWords({ scheduler, index: watched, slots: 4, window, backoff }));
    expectObservable(written).toBe(settled, values);
    expectObservable(calls).toBe(asked, values);
    expectObservable(requests, '^ 43ms !').toBe(counts, COUNTS);
  });
});

test('one overloaded document in an answer is an overload', () => {
  inVirtualTime(({ cold, hot, expectObservable, scheduler }) => {
    const records = hot('  1----------------|', { 1: 'a1 b2 c3 d4 e5 f6' });
    const mixed = cold('     -(r|)', outcomes({ r: 'busy retry' }));
    const taken = cold('     -----(r|)', outcomes({ r: 'done done' }));
    const asked = '        --(xy)x----z-----'; //  z waits until both slots are free
    const { index, asked: calls } = drawnIndex(mixed, taken);
    const pairs = { batch: { documents: 2, bytes: 1 << 20 } };
    const values = { x: 'a1 b2', y: 'c3 d4', z: 'e5 f6' };
    const settled = '      -------y---x----z|';
    expectObservable(records.pipe(bulkWords({ scheduler, index, slots: 2, window: pairs, backoff }))).toBe(
      settled,
      values,
    );
    expectObservable(calls).toBe(asked, values);
  });
});

test('an index that is overloaded again and again is still asked, one batch at a time', () => {
  inVirtualTime(({ cold, hot, expectObservable, scheduler }) => {
    const { words, values } = keys(3);
    const records = hot('  1------------------|', { 1: words });
    const busy = cold('      -(r|)', outcomes({ r: 'busy' }));
    const taken = cold('         -----(r|)', outcomes({ r: 'done' }));
    const asked = '        --(ab)(ab)-c--------'; //  c waits for both slots
    const settled = '      -----------(ab)-c--|';
    const { index, asked: calls } = drawnIndex(busy, busy, taken);
    expectObservable(records.pipe(bulkWords({ scheduler, index, slots: 2, window, backoff }))).toBe(settled, values);
    expectObservable(calls).toBe(asked, values);
  });
});

test('after twenty batches without overload an index gets one request more at a time', () => {
  inVirtualTime(({ cold, hot, expectObservable, scheduler }) => {
    const { words } = keys(26);
    const records = hot('  1---------------------------|', { 1: words });
    const busy = cold('      -(r|)', outcomes({ r: 'busy' }));
    const taken = cold('     -(r|)', outcomes({ r: 'done' }));
    //                     a, b, c, a again, then d to t one by one: t is the twentieth that goes well
    const counts = '       0-30--1-----------------2--0';
    const { index } = drawnIndex(busy, taken);
    const { index: watched, requests } = counted(index, scheduler);
    const written = records.pipe(bulkWords({ scheduler, index: watched, slots: 3, window, backoff }));
    expectObservable(written.pipe(count())).toBe('28ms (n|)', { n: 26 });
    expectObservable(requests, '^ 29ms !').toBe(counts, COUNTS);
  });
});
