import type { PipelineEvent } from './events.ts';

export type DependencyName = Extract<PipelineEvent, { type: 'dependency' }>['name'];

/** What is known of one server. `null`: it has not been heard of yet. */
export interface DependencyState {
  readonly name: DependencyName;
  readonly isUp: boolean | null;
  /** Since when, milliseconds since 1970. */
  readonly sinceMs: number;
  /** Error code while it is down. */
  readonly code: string;
  /** Whether it was up at least once. */
  readonly hasAnswered: boolean;
}

/** A change of state, and how long the state before it lasted. */
export interface DependencyChange extends DependencyState {
  readonly detail: string;
  readonly beforeMs: number;
}

/**
 * Which servers are up, from what the pipeline reports: some stages say so, of others it shows in what they got done.
 * A server is up from its first success, down from a failure that says nothing got through, until the next success.
 */
export class Dependencies {
  private readonly states = new Map<DependencyName, DependencyState>();
  private readonly now: () => number;

  /** `names`: the servers in use. What is reported of others is ignored. */
  constructor(names: readonly DependencyName[], now: () => number) {
    this.now = now;
    for (const name of names) {
      this.states.set(name, { name, isUp: null, sinceMs: now(), code: '', hasAnswered: false });
    }
  }

  all(): readonly DependencyState[] {
    return [...this.states.values()];
  }

  get isAnyDown(): boolean {
    return this.all().some(({ isUp }) => isUp === false);
  }

  /** Takes in an event; returns the change it made, or null when it made none. */
  hear(event: PipelineEvent): DependencyChange | null {
    switch (event.type) {
      case 'dependency':
        return this.set(event.name, event.isUp, event.code, event.detail);
      case 'parsed':
        return this.set('kafka', true);
      case 'buffered':
        return this.set('buffer', true);
      case 'journaled':
        return this.set('store', true);
      case 'bulk':
        // Documents refused or held one by one are answers too; a request of which all must be sent again is none.
        if (event.done + event.rejected > 0) return this.set('index', true);
        return event.held === 0 && event.retries > 0
          ? this.set('index', false, 'E3001', 'no document got through')
          : null;
      case 'held':
        return event.table === null ? this.set('index', false, 'E3002', event.errorType) : null;
      default:
        return null;
    }
  }

  set(name: DependencyName, isUp: boolean, code = '', detail = ''): DependencyChange | null {
    const before = this.states.get(name);
    if (before === undefined || before.isUp === isUp) return null;
    const sinceMs = this.now();
    const state = { name, isUp, sinceMs, code: isUp ? '' : code, hasAnswered: before.hasAnswered || isUp };
    this.states.set(name, state);
    return { ...state, detail, beforeMs: sinceMs - before.sinceMs };
  }
}
