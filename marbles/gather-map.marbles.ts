import { test } from 'node:test';
import {
  concat,
  EMPTY,
  from,
  map,
  merge,
  type Observable,
  type OperatorFunction,
  of,
  Subject,
  tap,
  toArray,
} from 'rxjs';
import { type GatherMapOptions, gatherMap } from '../src/operators/gather-map.ts';
import { drawnCalls, until } from './drawn-calls.ts';
import { inVirtualTime } from './in-virtual-time.ts';

/** Each letter weighs one, and a capital five. Its lane is all but its letter: `a` and `b` share one, `x1` is of lane `1`. */
const LETTERS: GatherMapOptions<string> = {
  weightOf: (value) => (/[A-Z]/.test(value) ? 5 : 1),
  laneOf: (value) => value.slice(1),
  maxWeight: 3,
};

/** Groups in words; each is answered as drawn and then gives its values, joined. */
function gathered(options: Partial<GatherMapOptions<string>>, ...answers: (Observable<unknown> | Error)[]) {
  const { asked, call } = drawnCalls((group: readonly string[]) => group.join(' '), ...answers);
  const gathering: OperatorFunction<string, string> = gatherMap((group) => concat(call(group), of(group.join(' '))), {
    ...LETTERS,
    ...options,
  });
  return { asked, gathering };
}

test('what comes while a group is under way goes together into the next one', () => {
  inVirtualTime(({ cold, hot, expectObservable, expectSubscriptions }) => {
    const values = hot('   ab-c-----d-|');
    const answer = cold('  ----|');
    const busy = ['        ^---!', '----^---!', '---------^---!'];
    const groups = '       ----x---y----(z|)';
    const { asked, gathering } = gathered({}, answer);
    expectObservable(values.pipe(gathering)).toBe(groups, { x: 'a', y: 'b c', z: 'd' });
    expectObservable(asked).toBe('x---y----z', { x: 'a', y: 'b c', z: 'd' });
    expectSubscriptions(answer.subscriptions).toBe(busy);
  });
});

test('a group weighs so much at most, and what weighs more goes alone', () => {
  inVirtualTime(({ cold, hot, expectObservable }) => {
    const values = hot('   (abcdeFg)|');
    const groups = '       --v-w-x-y-(z|)';
    const { gathering } = gathered({}, cold('--|'));
    expectObservable(values.pipe(gathering)).toBe(groups, { v: 'a', w: 'b c d', x: 'e', y: 'F', z: 'g' });
  });
});

test('lanes go side by side as far as there are slots, the one that waits longest first, and none beside itself', () => {
  inVirtualTime(({ cold, hot, expectObservable }) => {
    const values = hot('   abcd-e----|', { a: 'a1', b: 'b1', c: 'c2', d: 'd3', e: 'e1' });
    //                     ----|              a1, a slot
    //                       --|              c2, the other one
    //                         -----|         b1 and d3
    //                              ----|     e1
    const asked = '        v-w-(xy)-z';
    const groups = '       ----(vw)-(xy)(z|)';
    const first = cold('   ----|');
    const quick = cold('   --|');
    const words = { v: 'a1', w: 'c2', x: 'b1', y: 'd3', z: 'e1' };
    const answers = [first, quick, cold('-----|'), cold('-----|'), first];
    const { asked: calls, gathering } = gathered({ concurrency: 2 }, ...answers);
    expectObservable(values.pipe(gathering)).toBe(groups, words);
    expectObservable(calls).toBe(asked, words);
  });
});

test('groups that are done at once pass in order, however many', () => {
  inVirtualTime(({ cold, expectObservable }) => {
    const numbers = Array.from({ length: 20_000 }, (_, at) => at);
    const one: GatherMapOptions<number> = { weightOf: () => 1, maxWeight: 1 };
    const groups = from(numbers).pipe(
      gatherMap((group) => (group[0] === 0 ? concat(cold('-|'), group) : group), one),
      toArray(),
      map((all) => all.length === numbers.length && all.every((value, at) => value === at)),
    );
    expectObservable(groups).toBe('-(x|)', { x: true });
  });
});

test('what its own output makes the source send comes after what waits', () => {
  inVirtualTime(({ cold, expectObservable }) => {
    const sent = new Subject<string>();
    const values = merge(cold('(abc)'), sent);
    const { gathering } = gathered({}, cold('---|'), EMPTY);
    const groups = values.pipe(
      gathering,
      tap((words) => {
        if (words === 'a') sent.next('d');
      }),
    );
    expectObservable(groups, until(9)).toBe('---(xy)', { x: 'a', y: 'b c d' });
  });
});

test('an error of the source or of a group passes at once, and lets go of the rest', () => {
  inVirtualTime(({ cold, hot, expectObservable, expectSubscriptions }) => {
    const broken = hot('   a-#');
    const values = hot('   a-b-----');
    const read = '         ^----!';
    const answer = cold('  ---|');
    const failing = cold(' --#');
    const cut = '          ^-!';
    expectObservable(broken.pipe(gathered({}, answer).gathering)).toBe('--#');
    expectSubscriptions(answer.subscriptions).toBe([cut, '^--!']);
    expectObservable(values.pipe(gathered({}, answer, failing).gathering)).toBe('---x-#', { x: 'a' });
    expectSubscriptions(values.subscriptions).toBe(read);
  });
});

test('a projection that throws is an error', () => {
  inVirtualTime(({ hot, expectObservable, expectSubscriptions }) => {
    const values = hot('   --a---');
    const error = new Error('no group');
    expectObservable(values.pipe(gathered({}, error).gathering)).toBe('--#', {}, error);
    expectSubscriptions(values.subscriptions).toBe('^-!');
  });
});

test('unsubscribing releases the source and every group under way', () => {
  inVirtualTime(({ cold, hot, expectObservable, expectSubscriptions }) => {
    const values = hot('   abc------', { a: 'a1', b: 'b2', c: 'c1' });
    const subscribed = '   ^---!';
    const answer = cold('  ------|');
    const { gathering } = gathered({ concurrency: 2 }, answer);
    expectObservable(values.pipe(gathering), subscribed).toBe('-');
    expectSubscriptions(values.subscriptions).toBe(subscribed);
    expectSubscriptions(answer.subscriptions).toBe(['^---!', '-^--!']);
  });
});

test('the end of the source waits for every group; a silent source gives nothing, an empty one completes', () => {
  inVirtualTime(({ cold, hot, expectObservable }) => {
    const values = { a: 'a1', b: 'b2', c: 'c1' };
    const { gathering } = gathered({ concurrency: 2 }, cold('---|'), cold('-|'), cold('--|'));
    expectObservable(cold('(abc|)', values).pipe(gathering)).toBe('-y-x-(z|)', { x: 'a1', y: 'b2', z: 'c1' });
    expectObservable(hot('-').pipe(gathered({}, EMPTY).gathering), until(9)).toBe('-');
    expectObservable(cold('|').pipe(gathered({}, EMPTY).gathering)).toBe('|');
  });
});
