import { type SchedulerAction, type SchedulerLike, Subscription } from 'rxjs';

/** Something that happens at a time; `run` null once it is cancelled. */
interface Happening {
  readonly atMs: number;
  readonly seq: number;
  run: (() => void) | null;
}

/** The one queue of a run: everything that happens, in order of time and then of being asked for. */
export class VirtualClock {
  nowMs: number;
  /** Number of things that have happened. */
  steps = 0;
  private readonly heap: Happening[] = [];
  private seq = 0;

  constructor(startMs: number) {
    this.nowMs = startMs;
  }

  /** Runs `run` after `delayMs`; the function returned cancels it. */
  after(delayMs: number, run: () => void): () => void {
    const happening: Happening = { atMs: this.nowMs + Math.max(0, delayMs), seq: this.seq, run };
    this.seq += 1;
    this.push(happening);
    return () => {
      happening.run = null;
    };
  }

  /** Lets everything happen up to a time, and leaves the clock there. Stops early when `isOver` says so. */
  runUntil(limitMs: number, isOver: () => boolean = () => false): void {
    for (;;) {
      const next = this.heap[0];
      if (next === undefined || next.atMs > limitMs) break;
      this.pop();
      if (next.run === null) continue;
      this.nowMs = next.atMs;
      this.steps += 1;
      next.run();
      if (isOver()) return;
    }
    this.nowMs = Math.max(this.nowMs, limitMs);
  }

  private push(happening: Happening): void {
    const { heap } = this;
    let at = heap.length;
    heap.push(happening);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (isBefore(heap[parent] as Happening, happening)) break;
      heap[at] = heap[parent] as Happening;
      at = parent;
    }
    heap[at] = happening;
  }

  private pop(): void {
    const { heap } = this;
    const last = heap.pop() as Happening;
    if (heap.length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1] as Happening, heap[child] as Happening)) child += 1;
      if (isBefore(last, heap[child] as Happening)) break;
      heap[at] = heap[child] as Happening;
      at = child;
    }
    heap[at] = last;
  }
}

function isBefore(a: Happening, b: Happening): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.seq < b.seq);
}

/**
 * An operating-system process: what is asked of it happens only while it runs. States: running, paused (what is due
 * waits, as after SIGSTOP), dead (what is due is dropped, as after SIGKILL).
 */
export class Process implements SchedulerLike {
  readonly name: string;
  readonly clock: VirtualClock;
  /** How far its wall clock is off, milliseconds. */
  skewMs = 0;
  isDead = false;
  private pausedWork: (() => void)[] | null = null;

  constructor(name: string, clock: VirtualClock) {
    this.name = name;
    this.clock = clock;
  }

  get isPaused(): boolean {
    return this.pausedWork !== null;
  }

  now(): number {
    return this.clock.nowMs + this.skewMs;
  }

  pause(): void {
    this.pausedWork ??= [];
  }

  resume(): void {
    const work = this.pausedWork ?? [];
    this.pausedWork = null;
    for (const run of work) this.clock.after(0, () => this.run(run));
  }

  die(): void {
    this.isDead = true;
    this.pausedWork = null;
  }

  after(delayMs: number, run: () => void): () => void {
    return this.clock.after(delayMs, () => this.run(run));
  }

  schedule<T>(work: (this: SchedulerAction<T>, state?: T) => void, delay = 0, state?: T): Subscription {
    return new ProcessAction<T>(this, work).schedule(state, delay);
  }

  private run(run: () => void): void {
    if (this.isDead) return;
    if (this.pausedWork !== null) this.pausedWork.push(run);
    else run();
  }
}

class ProcessAction<T> extends Subscription implements SchedulerAction<T> {
  private readonly process: Process;
  private readonly work: (this: SchedulerAction<T>, state?: T) => void;
  private cancel: (() => void) | null = null;

  constructor(process: Process, work: (this: SchedulerAction<T>, state?: T) => void) {
    super();
    this.process = process;
    this.work = work;
  }

  schedule(state?: T, delay = 0): Subscription {
    if (this.closed) return this;
    this.cancel?.();
    this.cancel = this.process.after(delay, () => {
      this.cancel = null;
      if (!this.closed) this.work.call(this, state as T);
    });
    return this;
  }

  override unsubscribe(): void {
    this.cancel?.();
    this.cancel = null;
    super.unsubscribe();
  }
}
