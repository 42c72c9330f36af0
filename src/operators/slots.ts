import { Observable, type OperatorFunction, Subscription } from 'rxjs';
import { finalize, mergeMap } from 'rxjs/operators';

/** How many batches may be in flight now. */
export class Slots {
  limit: number;
  private readonly most: number;
  private calm = 0;

  constructor(most: number) {
    this.limit = most;
    this.most = most;
  }

  overloaded(): void {
    this.limit = Math.max(1, Math.floor(this.limit / 2));
    this.calm = 0;
  }

  fine(): void {
    this.calm += 1;
    if (this.calm < 20 || this.limit === this.most) return;
    this.limit += 1;
    this.calm = 0;
  }
}

/** mergeMap whose concurrency may change while it runs. Its queue holds what `latestPerKey` offers: one at most. */
export function takeSlots<B, R>(
  slots: Slots,
  deliver: (batch: B) => Observable<R>,
): OperatorFunction<Observable<B>, R> {
  return (due) =>
    new Observable((subscriber) => {
      const waiting: Observable<B>[] = [];
      const teardown = new Subscription();
      let active = 0;
      let isComplete = false;
      const next = (): void => {
        // A slot that is freed by unsubscribing is no demand.
        while (!subscriber.closed && active < slots.limit && waiting.length > 0) {
          const offered = waiting.shift() as Observable<B>;
          active += 1;
          const delivery = offered.pipe(
            mergeMap(deliver),
            finalize(() => {
              active -= 1;
            }),
          );
          const subscription = delivery.subscribe({
            next: (value) => subscriber.next(value),
            error: (error) => subscriber.error(error),
          });
          teardown.add(subscription);
          // Runs after finalize, when the slot is really free.
          subscription.add(next);
        }
        if (isComplete && active === 0 && waiting.length === 0) subscriber.complete();
      };
      teardown.add(
        due.subscribe({
          next: (offered) => {
            waiting.push(offered);
            next();
          },
          error: (error) => subscriber.error(error),
          complete: () => {
            isComplete = true;
            next();
          },
        }),
      );
      return teardown;
    });
}
