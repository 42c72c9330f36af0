import { Observable } from 'rxjs';
import type { Process, VirtualClock } from './clock.ts';
import type { Random } from './random.ts';
import type { Sometimes } from './sometimes.ts';

/** What may happen to calls of one server, as probabilities. */
export interface Weather {
  /** The connection is refused: not applied, and the caller knows at once. */
  refused: number;
  /** The request is lost: the caller learns of it by its time-out. */
  lost: number;
  /** Applied, but the answer is lost. */
  lostReply: number;
  /** The caller gives up, and later the request arrives after all. */
  late: number;
  /** Slow, but within the time-out. */
  slow: number;
}

export const CALM: Weather = { refused: 0, lost: 0, lostReply: 0, late: 0, slow: 0 };

/** A server, or one instance's way to it (then it is up only as the server itself is). */
export class Server {
  readonly name: string;
  isUp = true;
  readonly timeoutMs: number;
  private ownWeather: Weather = CALM;
  private readonly server: Server | null;

  constructor(name: string, { timeoutMs = 2000, server = null }: { timeoutMs?: number; server?: Server | null } = {}) {
    this.name = name;
    this.timeoutMs = timeoutMs;
    this.server = server;
  }

  get isReachable(): boolean {
    return this.isUp && (this.server === null || this.server.isReachable);
  }

  get weather(): Weather {
    return this.server === null ? this.ownWeather : this.server.weather;
  }

  set weather(weather: Weather) {
    this.ownWeather = weather;
  }
}

/** No answer, and nothing is known about what became of the call. */
export class NoAnswer extends Error {
  override readonly name = 'NoAnswer';
}

/** Everything that instances and servers say to each other, as an arrival and a reply on the one queue. */
export class Network {
  readonly clock: VirtualClock;
  readonly random: Random;
  readonly sometimes: Sometimes;
  /** The longest a request may be under way after its caller has given up, milliseconds. */
  readonly maxLateMs: number;
  /** Hash of everything that arrived, in order. */
  trace = 0x811c9dc5;
  /** Requests that have not arrived yet. */
  underway = 0;
  /** A call by its name, and what happens when the next one of that name has been applied, before its caller hears of it. */
  trap: { readonly what: string; readonly spring: (caller: Process) => void } | null = null;
  /** Whose request is being answered. */
  caller: Process | null = null;
  /** Hears of everything that is taken up in the trace: for somebody who looks into one run. */
  onNote: ((atMs: number, words: readonly string[]) => void) | null = null;

  constructor(clock: VirtualClock, random: Random, sometimes: Sometimes, maxLateMs: number) {
    this.clock = clock;
    this.random = random;
    this.sometimes = sometimes;
    this.maxLateMs = maxLateMs;
  }

  /** A call of `process` on `server`: `apply` is what the server does when the request arrives. */
  call<T>(process: Process, server: Server, what: string, apply: () => T): Observable<T> {
    return new Observable<T>((subscriber) => {
      const { clock, random, sometimes } = this;
      const reply = (delayMs: number, tell: () => void): void => {
        process.after(delayMs, () => {
          if (!subscriber.closed) tell();
        });
      };
      const fail = (delayMs: number, why: string): void =>
        reply(delayMs, () => subscriber.error(new NoAnswer(`${server.name}: ${why}`)));
      const { weather } = server;
      const dice = random.next();
      let bound = weather.refused;
      if (!server.isReachable || dice < bound) {
        if (server.isReachable) sometimes.hit('call refused');
        return fail(random.between(1, 20), 'refused');
      }
      bound += weather.lost;
      if (dice < bound) {
        sometimes.hit('call lost');
        return fail(server.timeoutMs, 'timed out');
      }
      bound += weather.lostReply;
      const isReplyLost = dice < bound;
      bound += weather.late;
      const isLate = !isReplyLost && dice < bound;
      bound += weather.slow;
      const isSlow = !isReplyLost && !isLate && dice < bound;
      if (isReplyLost) sometimes.hit('reply lost');
      if (isLate) sometimes.hit('request late');
      if (isSlow) sometimes.hit('call slow');
      if (isLate) fail(server.timeoutMs, 'timed out');
      const wayMs = isLate
        ? server.timeoutMs + random.between(1, this.maxLateMs)
        : isSlow
          ? random.between(50, server.timeoutMs / 2)
          : random.between(1, 15);
      this.underway += 1;
      const arrive = (): void => {
        if (process.isPaused && random.chance(0.5)) {
          // Stopped before the last byte was out.
          this.underway -= 1;
          process.after(0, () => {
            this.underway += 1;
            clock.after(random.between(1, 5), arrive);
          });
          return;
        }
        this.underway -= 1;
        if (process.isDead) {
          if (random.chance(0.4)) return;
          sometimes.hit('request of a dead instance arrives');
        }
        if (!server.isReachable) {
          if (!isLate) fail(random.between(1, 20), 'cut');
          return;
        }
        this.note(process.name, server.name, what);
        this.caller = process;
        let tell: () => void;
        try {
          const answer = apply();
          tell = () => {
            subscriber.next(answer);
            subscriber.complete();
          };
        } catch (error) {
          tell = () => subscriber.error(error);
        }
        if (this.trap?.what === what && !process.isDead) this.springTrap(process);
        if (isLate) return;
        if (isReplyLost) fail(random.chance(0.5) ? server.timeoutMs : random.between(1, 50), 'cut');
        else reply(isSlow ? random.between(50, server.timeoutMs / 2) : random.between(1, 15), tell);
      };
      clock.after(wayMs, arrive);
    });
  }

  private springTrap(caller: Process): void {
    const { trap } = this;
    this.trap = null;
    trap?.spring(caller);
  }

  /** Takes something up in the trace. */
  note(...words: readonly string[]): void {
    this.onNote?.(this.clock.nowMs, words);
    let hash = Math.imul(this.trace ^ this.clock.nowMs, 0x01000193);
    for (const word of words) {
      for (let i = 0; i < word.length; i += 1) hash = Math.imul(hash ^ word.charCodeAt(i), 0x01000193);
    }
    this.trace = hash;
  }
}
