import { setImmediate as turn } from 'node:timers/promises';
import { type SchedulerAction, type SchedulerLike, Subscription } from 'rxjs';

type Work<T> = (this: SchedulerAction<T>, state?: T) => void;

/**
 * A scheduler whose time moves only when told to, for days of it: an action that schedules itself again is one action,
 * where RxJS's virtual time makes a chain of them that is too long to be unsubscribed.
 */
export class SteadyClock implements SchedulerLike {
  private readonly due: Task<never>[] = [];
  private nowMs = 0;

  now(): number {
    return this.nowMs;
  }

  schedule<T>(work: Work<T>, delayMs = 0, state?: T): Subscription {
    return new Task(this, work).schedule(state, delayMs);
  }

  /** Moves time on, in steps; promises answer after each. */
  async pass(ms: number, stepMs = 100): Promise<void> {
    for (const untilMs = this.nowMs + ms; this.nowMs < untilMs; ) {
      this.advance(Math.min(stepMs, untilMs - this.nowMs));
      await turn();
    }
  }

  /** Moves time on, running everything that falls due. */
  advance(ms: number): void {
    const untilMs = this.nowMs + ms;
    for (let next = this.due[0]; next !== undefined && next.atMs <= untilMs; next = this.due[0]) {
      this.due.shift();
      this.nowMs = next.atMs;
      next.run();
    }
    this.nowMs = untilMs;
  }

  /** Called by a task. Of those due at once the first scheduled runs first. */
  enqueue(task: Task<never>): void {
    const place = this.due.findIndex(({ atMs }) => atMs > task.atMs);
    this.due.splice(place === -1 ? this.due.length : place, 0, task);
  }

  dequeue(task: Task<never>): void {
    const place = this.due.indexOf(task);
    if (place !== -1) this.due.splice(place, 1);
  }
}

class Task<T> extends Subscription implements SchedulerAction<T> {
  atMs = 0;
  private state: T | undefined;
  private readonly clock: SteadyClock;
  private readonly work: Work<T>;

  constructor(clock: SteadyClock, work: Work<T>) {
    super(() => clock.dequeue(this as unknown as Task<never>));
    this.clock = clock;
    this.work = work;
  }

  schedule(state?: T, delayMs = 0): Subscription {
    if (this.closed) return this;
    this.state = state;
    this.atMs = this.clock.now() + Math.max(0, delayMs);
    this.clock.enqueue(this as unknown as Task<never>);
    return this;
  }

  run(): void {
    this.work.call(this, this.state);
  }
}
