import type { Consumer } from 'kafkajs';
import { firstValueFrom, Observable, race, type SchedulerLike, Subject, timer } from 'rxjs';
import type { InFlight } from '../pipeline/position.ts';
import type { Share } from './kafka-topics.ts';
import type { SourceEvent } from './source-event.ts';

/**
 * How long a fetched batch waits for room before everything is paused. A pause drops what is left of a fetch, and kafkajs
 * notices the end of one late; so a limit that is reached for a moment, as at full rate, should not be one.
 */
const PATIENCE_MS = 500;

/**
 * Pauses everything assigned while there is a reason: an assignment is being checked, the in-flight limit is reached
 * (until a quarter of it is free again), or intake has ended. A paused consumer keeps its membership and heartbeats.
 */
export class KafkaPause {
  private readonly consumer: Pick<Consumer, 'pause' | 'resume'>;
  private readonly inFlight: InFlight;
  private readonly scheduler: SchedulerLike;
  private readonly onEvent: (event: SourceEvent) => void;
  private readonly ended = new Subject<void>();
  private shares: { topic: string; partitions: number[] }[] = [];
  private isChecking = true;
  private isEnded = false;
  private isPaused = false;
  private isKnownPaused = false;
  private stopWaiting: (() => void) | null = null;

  constructor(
    consumer: Pick<Consumer, 'pause' | 'resume'>,
    {
      inFlight,
      onEvent,
      scheduler,
    }: {
      readonly inFlight: InFlight;
      readonly onEvent: (event: SourceEvent) => void;
      readonly scheduler: SchedulerLike;
    },
  ) {
    this.consumer = consumer;
    this.inFlight = inFlight;
    this.onEvent = onEvent;
    this.scheduler = scheduler;
  }

  /** Pauses a new share for its checks. kafkajs keeps what was paused before and pauses nothing new, so it is told anew. */
  check(shares: readonly Share[]): void {
    this.shares = shares.map(({ topic, partitions }) => ({ topic, partitions: [...partitions] }));
    this.isChecking = true;
    this.isPaused = false;
    this.apply();
  }

  /** The share may be read, unless something else is against it. */
  checked(): void {
    this.isChecking = false;
    this.apply();
  }

  /** Resolves when there is room, with true, or with false after `PATIENCE_MS`, at the end of intake, and during a pause. */
  async room(): Promise<boolean> {
    const { ended, inFlight, scheduler } = this;
    if (!inFlight.isFull) return true;
    if (this.isEnded || this.isPaused) return false;
    const free = new Observable<void>((subscriber) => inFlight.onRoom(() => subscriber.next()));
    await firstValueFrom(race(free, ended, timer(PATIENCE_MS, scheduler)));
    return !this.isEnded && !inFlight.isFull;
  }

  /** To be called after each batch: pauses when there is no room. */
  whenFull(): void {
    if (this.stopWaiting !== null || !this.inFlight.isFull) return;
    this.stopWaiting = this.inFlight.onRoom(() => {
      this.forgetRoom();
      this.apply();
    });
    this.apply();
  }

  /** For good. */
  end(): void {
    this.isEnded = true;
    this.ended.next();
    this.forgetRoom();
    this.apply();
  }

  private forgetRoom(): void {
    this.stopWaiting?.();
    this.stopWaiting = null;
  }

  private apply(): void {
    const shouldPause = this.isChecking || this.isEnded || this.stopWaiting !== null;
    if (shouldPause === this.isPaused || this.shares.length === 0) return;
    try {
      if (shouldPause) this.consumer.pause(this.shares);
      else this.consumer.resume(this.shares);
    } catch {
      return; // between a crash and its restart there is no consumer; the next assignment begins paused
    }
    this.isPaused = shouldPause;
    if (this.isChecking || shouldPause === this.isKnownPaused) return; // an assignment tells of itself
    this.isKnownPaused = shouldPause;
    const { bytes, changes } = this.inFlight;
    this.onEvent({ type: 'paused', isPaused: shouldPause, bytes, changes });
  }
}
