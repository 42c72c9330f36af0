import { asyncScheduler, type SchedulerLike } from 'rxjs';

/**
 * RxJS's async scheduler with a clock that nobody can set: wall time as it was when the process began, and the time that
 * has passed since. Waits, holds and back-offs are compared with it, and a wall clock that is put back by an hour would
 * make them an hour longer.
 */
export const steadyScheduler: SchedulerLike = {
  now: () => Math.floor(performance.timeOrigin + performance.now()),
  schedule: asyncScheduler.schedule.bind(asyncScheduler) as SchedulerLike['schedule'],
};
