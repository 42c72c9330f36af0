import { setTimeout as delay } from 'node:timers/promises';
import type { LoadWriter, Mix } from '../support/load-writer.ts';
import type { Random } from './schedule.ts';

/** How the load is for a while: a share of the usual rate, and what the records are. */
interface Shape {
  readonly rate: number;
  readonly mix: Mix;
  readonly forMs: readonly [least: number, most: number];
}

const EVEN: Mix = { insert: 40, update: 46, delete: 8, rekey: 6 };

const SHAPES: readonly Shape[] = [
  { rate: 1, mix: EVEN, forMs: [3000, 8000] },
  // A burst, mostly on the hot keys.
  { rate: 5, mix: { insert: 5, update: 90, delete: 4, rekey: 1 }, forMs: [500, 2000] },
  { rate: 0.1, mix: EVEN, forMs: [1000, 4000] },
  // Rows that go and come back.
  { rate: 1, mix: { insert: 45, update: 20, delete: 30, rekey: 5 }, forMs: [2000, 6000] },
  { rate: 1, mix: { insert: 10, update: 50, delete: 5, rekey: 35 }, forMs: [2000, 4000] },
];

/** A load that changes its rate and its mix from second to second, and can be held for a moment. */
export class Load {
  readonly writer: LoadWriter;
  private readonly perSecond: number;
  private readonly random: Random;
  private isRunning = false;

  constructor(writer: LoadWriter, { perSecond, random }: { perSecond: number; random: Random }) {
    this.writer = writer;
    this.perSecond = perSecond;
    this.random = random;
  }

  /** Runs until the signal; resolves when everything is written. Rejects when a write failed. */
  async run(signal: AbortSignal): Promise<void> {
    this.isRunning = true;
    this.writer.start();
    while (!signal.aborted) {
      const shape = SHAPES[Math.floor(this.random() * SHAPES.length)] as Shape;
      this.writer.perSecond = this.perSecond * shape.rate;
      this.writer.mix = shape.mix;
      const [least, most] = shape.forMs;
      await delay(least + this.random() * (most - least), undefined, { signal }).catch(() => undefined);
    }
    this.isRunning = false;
    await this.writer.stop();
  }

  /**
   * Writes nothing while the broker is away: a producer that retries would write twice, and the load must know its offsets.
   * The burst before it leaves something to do.
   */
  async heldWhile(work: () => Promise<void>): Promise<void> {
    await this.writer.stop();
    await this.writer.write(this.perSecond);
    await work();
    if (this.isRunning) this.writer.start();
  }
}
