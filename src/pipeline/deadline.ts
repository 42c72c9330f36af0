import { type SchedulerLike, Subscription } from 'rxjs';

const OVER = Symbol('over');

/** A span of time that several waits share: the first may use all of it, and nothing waits longer. `end` is owed. */
export class Deadline {
  private readonly timer = new Subscription();
  private readonly over: Promise<typeof OVER>;

  /** Milliseconds from now; Infinity for none. */
  constructor(ms: number, scheduler: SchedulerLike) {
    this.over = new Promise((resolve) => {
      if (Number.isFinite(ms)) this.timer.add(scheduler.schedule(() => resolve(OVER), ms));
    });
  }

  /** Settles as `work` does, or rejects with `late` once the time is over; then `work` goes on and nobody hears of it. */
  async wait<T>(work: Promise<T>, late: () => Error): Promise<T> {
    work.catch(() => undefined);
    const first = await Promise.race([work, this.over]);
    if (first === OVER) throw late();
    return first;
  }

  end(): void {
    this.timer.unsubscribe();
  }
}
