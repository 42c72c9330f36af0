const EXIT_BY_SIGNAL: Readonly<Record<string, number>> = { SIGINT: 130, SIGTERM: 143 };

export interface StopSignals {
  readonly isAsked: boolean;
  /** Resolves at the first signal. */
  readonly asked: Promise<void>;
  /** Takes the handlers off again. */
  release(): void;
}

/** Listens for SIGTERM and SIGINT. The first one asks the process to stop, which `onAsked` hears of first; the second exits at once. */
export function stopSignals(onAsked: (signal: NodeJS.Signals) => void): StopSignals {
  const { promise: asked, resolve } = Promise.withResolvers<void>();
  let isAsked = false;
  const hear = (signal: NodeJS.Signals): void => {
    if (isAsked) process.exit(EXIT_BY_SIGNAL[signal] ?? 1);
    isAsked = true;
    onAsked(signal);
    resolve();
  };
  process.on('SIGTERM', hear).on('SIGINT', hear);
  return {
    asked,
    get isAsked() {
      return isAsked;
    },
    release: () => {
      process.off('SIGTERM', hear).off('SIGINT', hear);
    },
  };
}
