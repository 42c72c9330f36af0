import { VirtualTimeScheduler } from 'rxjs';

/** A scheduler whose time moves only when told to. */
export class VirtualClock extends VirtualTimeScheduler {
  constructor() {
    super(undefined, 0);
  }

  /** Moves time on, running everything that falls due. */
  advance(ms: number): void {
    const until = this.frame + ms;
    this.schedule(() => undefined, ms);
    this.maxFrames = until;
    this.flush();
    this.frame = until;
  }
}
