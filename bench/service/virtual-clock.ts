import type { Clock } from './clock.ts';

/** Time that passes only while somebody pauses, and then at once. One at a time. */
export class VirtualClock implements Clock {
  private atMs = 0;

  now(): number {
    return this.atMs;
  }

  async pause(ms: number): Promise<void> {
    this.atMs += ms;
  }
}
