import { asyncScheduler } from 'rxjs';
import type { LatestPerKeyOptions } from '../src/operators/latest-per-key.ts';
import type { ParseChangesOptions } from '../src/operators/parse-changes.ts';
import type { Report } from '../src/pipeline/events.ts';
import type { RecordFormat } from '../src/pipeline/ports.ts';
import { InFlight } from '../src/pipeline/position.ts';
import { DEFAULT_IN_FLIGHT, DEFAULT_OPTIONS } from '../src/pipeline/stages.ts';

/** The first and the last stage of intake with every default. Nothing may be parked or become a letter: that errs. */
export function stagesUnderTest(
  format: RecordFormat,
  report: Report,
): { inFlight: InFlight; parse: ParseChangesOptions; window: LatestPerKeyOptions } {
  const inFlight = new InFlight(DEFAULT_IN_FLIGHT);
  const common = { inFlight, report, scheduler: asyncScheduler };
  const refuse = (): never => {
    throw new Error('a change was parked or rejected');
  };
  const { batch, window } = DEFAULT_OPTIONS;
  return {
    inFlight,
    parse: { ...common, format, writeLetters: refuse },
    window: {
      ...common,
      batch,
      windowMs: window.ms,
      maxKeys: window.maxKeys,
      maxBytes: window.maxBytes,
      parkAfterWindows: window.parkAfterWindows,
      park: refuse,
      drainMs: Number.POSITIVE_INFINITY,
    },
  };
}
