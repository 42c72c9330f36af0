import { test } from 'node:test';
import { SluiceError } from '../src/pipeline/errors.ts';
import type { PipelineEvent } from '../src/pipeline/events.ts';
import { drawnReports } from './drawn-calls.ts';
import { foldWords, heldIndex, parkingStore } from './fold-words.ts';
import { inVirtualTime } from './in-virtual-time.ts';

test('a store that does not take keys is told of at each window, and again when it takes them', () => {
  inVirtualTime(({ cold, hot, expectObservable, scheduler }) => {
    const records = hot('  1------------------2--------|', { 1: 'a1', 2: 'b2' });
    //                     -----|-----|-----|-----|-----|   windowMs = 6, parked after 1
    const told = '         ------d-----e------u---------';
    const away = cold('          #', {}, new SluiceError('E4001', 'the store does not answer', { detail: 'timeout' }));
    const defect = cold('              #', {}, new TypeError('row 17 is odd'));
    const taken = cold('                     -|');
    const { park } = parkingStore(scheduler, away, defect, taken, taken);
    const { report, reported } = drawnReports<PipelineEvent>((event) =>
      event.type === 'dependency' ? `${event.name} ${event.isUp ? 'up' : `${event.code}: ${event.detail}`}` : null,
    );
    const options = { scheduler, into: heldIndex(), park, report, parkAfterWindows: 1 };
    expectObservable(records.pipe(foldWords(options))).toBe('------x---------------------|', { x: 'a1' });
    expectObservable(reported).toBe(told, {
      d: 'store E4001: the store does not answer',
      e: 'store E4001: keys were not parked',
      u: 'store up',
    });
  });
});
