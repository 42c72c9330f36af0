import { Observable, type Subscriber } from 'rxjs';
import type { Assignment } from '../pipeline/ports.ts';

/** Holds the assignment in force for whoever subscribes, now or later. States: open, then closed (completed). */
export class AssignmentFeed {
  private readonly subscribers = new Set<Subscriber<Assignment>>();
  private current: Assignment | null = null;
  private isClosed = false;

  readonly assignments = new Observable<Assignment>((subscriber) => {
    if (this.current !== null) subscriber.next(this.current);
    if (this.isClosed) return subscriber.complete();
    this.subscribers.add(subscriber);
    return () => this.subscribers.delete(subscriber);
  });

  next(assignment: Assignment): void {
    this.current = assignment;
    for (const subscriber of [...this.subscribers]) subscriber.next(assignment);
  }

  close(): void {
    this.isClosed = true;
    for (const subscriber of [...this.subscribers]) subscriber.complete();
  }
}
