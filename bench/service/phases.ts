/** What went on when a change was made, in the order of time. */
export const PHASES = ['alone', 'joining', 'together', 'leaving', 'alone again'] as const;

export type Phase = (typeof PHASES)[number];

/** When a second instance came and went, milliseconds on one clock. */
export interface Moments {
  /** Its process was started. */
  readonly joinMs: number;
  /** Each instance owned its share. */
  readonly sharedMs: number;
  /** It was told to stop. */
  readonly leaveMs: number;
  /** The first instance owned everything again. */
  readonly aloneMs: number;
  /** Length of a window: changes wait so long anyway, so those made so long before are hit as well. */
  readonly windowMs: number;
}

/** The phase of a change that was made at this moment. */
export function phaseAt(ms: number, { aloneMs, joinMs, leaveMs, sharedMs, windowMs }: Moments): Phase {
  if (ms < joinMs - windowMs) return 'alone';
  if (ms < sharedMs) return 'joining';
  if (ms < leaveMs - windowMs) return 'together';
  return ms < aloneMs ? 'leaving' : 'alone again';
}
