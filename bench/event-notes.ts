import type { PipelineEvent, Report } from '../src/pipeline/events.ts';

/** Counts what did not go straight in a run, and the windows. A server that is lost makes the run worthless. */
export class EventNotes {
  private readonly counts = new Map<string, number>();
  failure: Error | null = null;

  readonly report: Report = (event) => this.hear(event);

  get notes(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.counts);
  }

  add(name: string, count: number): void {
    if (count > 0) this.counts.set(name, (this.counts.get(name) ?? 0) + count);
  }

  /** Throws when a server was lost meanwhile, or when keys were parked, which the position passes before they are indexed. */
  check(): void {
    if (this.failure !== null) throw this.failure;
    const parked = this.counts.get('parked') ?? 0;
    if (parked > 0) throw new Error(`${parked} keys were parked: the index took too little for too long`);
  }

  private hear(event: PipelineEvent): void {
    if (event.type === 'window') {
      this.add(`windows by ${event.cause}`, 1);
      this.add('folded keys', event.changes - event.superseded);
    }
    if (event.type === 'bulk') {
      this.add('requests', 1);
      this.add('conflicts', event.conflicts);
    }
    if (event.type === 'retrying') this.add('retried', event.keys);
    if (event.type === 'held') this.add('held', 1);
    if (event.type === 'parked') this.add('parked', event.keys);
    if (event.type === 'dead-lettered') this.add('dead letters', event.count);
    if (event.type === 'dependency' && !event.isUp) {
      this.failure = new Error(`${event.name} was lost during the run (${event.code} ${event.detail})`);
    }
  }
}
