/** What the service shall reach, and what it did. */
export interface Goal {
  /** As the list of goals numbers it: `P6`. */
  readonly id: string;
  readonly what: string;
  readonly unit: 'ms' | '×';
  readonly bound: number;
  /** Whether the bound is the least that will do, or the most. */
  readonly is: 'at least' | 'at most';
  /** Null: no run was right. */
  readonly measured: number | null;
  /** Runs that were to show it and ended wrong. */
  readonly wrongRuns: number;
}

/** Null when it was not measured. False also when a run ended wrong: a service that errs reaches nothing. */
export function isReached({ bound, is, measured, wrongRuns }: Goal): boolean | null {
  if (measured === null) return null;
  if (wrongRuns > 0) return false;
  return is === 'at least' ? measured >= bound : measured <= bound;
}

export function goalLine(goal: Goal): string {
  const { bound, id, is, measured, unit, what } = goal;
  const text = (value: number): string => (unit === 'ms' ? `${Math.round(value)} ms` : value.toFixed(2));
  const verdict = { true: 'reached', false: 'NOT reached', null: 'not measured' }[`${isReached(goal)}`];
  return `${id} ${what}: ${measured === null ? '-' : text(measured)}, goal ${is} ${text(bound)}: ${verdict}`;
}
