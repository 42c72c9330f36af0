import { defer, from, type ObservableInput, type SchedulerLike, tap } from 'rxjs';
import { SluiceError } from './errors.ts';
import type { RecordSource } from './ports.ts';

/** The calls of each port that leave something behind, in the order of the stream. */
const CALLS = {
  buffer: ['upsert', 'remove'],
  index: ['write', 'versions'],
  store: [
    'register',
    'pair',
    'append',
    'recordGaps',
    'park',
    'parked',
    'unpark',
    'writeLetters',
    'closeLetters',
    'redrives',
    'setLetterState',
    'savePositions',
    'deletesBetween',
    'addMonitorRows',
  ],
} as const;

/** `before`: nothing was sent. `during`: sent, and the process ends before or while it is answered. `after`: answered. */
const MOMENTS = ['before', 'during', 'after'] as const;
type Moment = (typeof MOMENTS)[number];
type PortName = keyof typeof CALLS;

/** Every place where the process can be made to end itself: `port.call:moment`, a batch that was read, a commit that the broker took. */
export const CRASH_POINTS: readonly string[] = [
  'source.records:after',
  'source.commit:after',
  ...Object.entries(CALLS).flatMap(([port, calls]) =>
    calls.flatMap((call) => MOMENTS.map((moment) => `${port}.${call}:${moment}`)),
  ),
];

/** Long enough for a request to leave, shorter than most answers take. */
const DURING_MS = 1;

/** Puts one point into the adapters, whichever of them has it. */
export interface CrashPoint {
  port<T extends object>(name: PortName, adapter: T): T;
  source<T extends RecordSource>(source: T): T;
  /** To be called when positions were committed. */
  committed(): void;
}

const NO_POINT: CrashPoint = { port: (_, adapter) => adapter, source: (source) => source, committed: () => undefined };

/**
 * The point at which `crash` is called: what the tests of recovery kill the service with. Adapters without the point stay
 * as they are, so it costs them nothing.
 *
 * `point`: one of `CRASH_POINTS`, and `:N` after it for its Nth hit, the first by default; null for none.
 *
 * @throws SluiceError E1001 when there is no such point.
 */
export function crashPoint(point: string | null, crash: () => void, scheduler: SchedulerLike): CrashPoint {
  if (point === null) return NO_POINT;
  const { call, hit, moment, port } = parsePoint(point);
  let left = hit;
  const strike = (): void => {
    left -= 1;
    if (left === 0) crash();
  };
  return {
    port(name, adapter) {
      if (name !== port) return adapter;
      const original = (adapter as Readonly<Record<string, (...args: unknown[]) => unknown>>)[call]?.bind(adapter);
      if (original === undefined) return adapter;
      const striking = (...args: unknown[]) => strikingAt(moment, strike, () => original(...args), scheduler);
      return overriding(adapter, { [call]: striking });
    },
    source(source) {
      if (port !== 'source' || call !== 'records') return source;
      return overriding(source, { records: source.records.pipe(tap(strike)) });
    },
    committed() {
      if (port === 'source' && call === 'commit') strike();
    },
  };
}

function parsePoint(point: string): { port: PortName | 'source'; call: string; moment: Moment; hit: number } {
  const [place = '', moment = '', hit = '1'] = point.split(':');
  if (!CRASH_POINTS.includes(`${place}:${moment}`) || !/^[1-9]\d*$/.test(hit)) {
    throw new SluiceError('E1001', 'there is no such crash point', {
      detail: point,
      remedy: `Unset SLUICE_CRASH_AT, or set one of ${CRASH_POINTS.join(', ')}`,
    });
  }
  const [port, call] = place.split('.') as [PortName | 'source', string];
  return { port, call, moment: moment as Moment, hit: Number(hit) };
}

function strikingAt(moment: Moment, strike: () => void, call: () => unknown, scheduler: SchedulerLike): unknown {
  const ask = (): unknown => {
    if (moment === 'before') strike();
    const answer = call();
    if (moment === 'during') scheduler.schedule(strike, DURING_MS);
    return answer;
  };
  const answer = ask();
  if (moment !== 'after') return answer;
  if (answer instanceof Promise) return answer.finally(strike);
  return defer(() => from(answer as ObservableInput<unknown>)).pipe(tap({ complete: strike }));
}

/** The same object with some members replaced; methods keep the object that holds their state. */
function overriding<T extends object>(target: T, members: Readonly<Record<string, unknown>>): T {
  return new Proxy(target, {
    get(_, name) {
      if (typeof name === 'string' && Object.hasOwn(members, name)) return members[name];
      const value: unknown = Reflect.get(target, name);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}
