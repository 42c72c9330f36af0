import type { Consumer } from 'kafkajs';
import type { InFlight } from '../pipeline/position.ts';
import type { Share } from './kafka-topics.ts';
import type { SourceEvent } from './source-event.ts';

/**
 * Pauses everything assigned while there is a reason: an assignment is being checked, the in-flight limit is reached
 * (until half of it is free again), or intake has ended. A paused consumer keeps its membership and heartbeats.
 */
export class KafkaPause {
  private readonly consumer: Pick<Consumer, 'pause' | 'resume'>;
  private readonly inFlight: InFlight;
  private readonly onEvent: (event: SourceEvent) => void;
  private shares: { topic: string; partitions: number[] }[] = [];
  private isChecking = true;
  private isEnded = false;
  private isPaused = false;
  private isKnownPaused = false;
  private stopWaiting: (() => void) | null = null;

  constructor(
    consumer: Pick<Consumer, 'pause' | 'resume'>,
    { inFlight, onEvent }: { readonly inFlight: InFlight; readonly onEvent: (event: SourceEvent) => void },
  ) {
    this.consumer = consumer;
    this.inFlight = inFlight;
    this.onEvent = onEvent;
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

  /** To be called after each batch: the limit is only looked at here. */
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
