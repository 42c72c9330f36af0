import { test } from 'node:test';
import { EMPTY } from 'rxjs';
import type { Entry } from '../src/operators/fold.ts';
import type { DedupedBatch } from '../src/operators/latest-per-key.ts';
import { foldWords, index } from './fold-words.ts';
import { inVirtualTime } from './in-virtual-time.ts';

test('the hold of one index does not delay another', () => {
  inVirtualTime(({ hot, expectObservable, scheduler }) => {
    const records = hot('  1------2------|', { 1: 'a1 logs.b2', 2: 'a3 logs.b4' });
    //                     -----|-----|-----|-   windowMs = 6
    //                           [  rows: 14  ]
    const windows = '      ------(xy)--z-------(w|)';
    const takes = (batch: DedupedBatch): boolean => {
      if (batch.table.name !== 'rows' || scheduler.now() > 6) return true;
      batch.hold(batch.table, 14);
      return false;
    };
    const into = index(4, () => EMPTY, takes);
    const values = { x: 'a1', y: 'logs.b2', z: 'logs.b4', w: 'a3' };
    expectObservable(records.pipe(foldWords({ scheduler, into }))).toBe(windows, values);
  });
});

test('after a hold one batch at a time is tried until the index takes one', () => {
  inVirtualTime(({ cold, hot, expectObservable, expectSubscriptions, scheduler }) => {
    const records = hot('  1----------------------|', { 1: 'a1 b2 c3 d4' });
    //                     -----|                        windowMs = 6, one document a batch, two slots
    const answer = cold('        ----|');
    const answered = [
      '                    ------^---!',
      '                    ------^---!',
      //                         [ held for 6 after the answer ]
      '                    ----------------^---!', //                   the first probe
      //                                       [ held for 6 again ]
      '                    --------------------------^---!', //         the second is taken:
      '                    ------------------------------^---!', //     two at a time again
      '                    ------------------------------^---!',
      '                    ----------------------------------^---!',
    ];
    const batches = '      ------(xy)------x---------y---(xz)w---|';
    const takes = (batch: DedupedBatch): boolean => {
      if (scheduler.now() >= 30) return true;
      batch.hold(batch.table, 6);
      return false;
    };
    const into = index(2, () => answer, takes);
    const batch = { documents: 1, bytes: 1 << 20 };
    const values = { x: 'a1', y: 'b2', z: 'c3', w: 'd4' };
    expectObservable(records.pipe(foldWords({ scheduler, into, batch }))).toBe(batches, values);
    expectSubscriptions(answer.subscriptions).toBe(answered);
  });
});

test('a hold of every index delays each of them', () => {
  inVirtualTime(({ hot, expectObservable, scheduler }) => {
    const records = hot('  1------2------|', { 1: 'a1 logs.b2', 2: 'a3 logs.b4' });
    //                     -----|-----|-----|-   windowMs = 6
    //                           [  all: 14   ]
    const windows = '      ------x-------------(wz|)';
    const takes = (batch: DedupedBatch): boolean => {
      if (scheduler.now() > 6) return true;
      batch.hold(null, 14);
      return false;
    };
    const into = index(4, () => EMPTY, takes);
    const values = { x: 'a1', z: 'a3', w: 'logs.b4' };
    expectObservable(records.pipe(foldWords({ scheduler, into }))).toBe(windows, values);
  });
});

test('a shorter hold does not cut a longer one', () => {
  inVirtualTime(({ cold, hot, expectObservable, scheduler }) => {
    const records = hot('  1------------------------|', { 1: 'a1 b2' });
    //                     -----|                      windowMs = 6, one document a batch, two slots
    const answer = cold('        --|');
    //                             [  a: 14     ]
    //                             [ b ]
    const batches = '      ------(xy)------------x-y-|';
    const takes = (batch: DedupedBatch, { change }: Entry): boolean => {
      if (scheduler.now() <= 8) batch.hold(null, change.key === 'a' ? 14 : 4);
      return scheduler.now() > 8;
    };
    const into = index(2, () => answer, takes);
    const batch = { documents: 1, bytes: 1 << 20 };
    expectObservable(records.pipe(foldWords({ scheduler, into, batch }))).toBe(batches, { x: 'a1', y: 'b2' });
  });
});
