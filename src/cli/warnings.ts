import type { Log } from '../pipeline/condition-log.ts';

/** What an adapter has found so far that is unfit and stops nothing, one sentence each. Many find nothing ever. */
export function warningsOf(part: object): readonly string[] {
  return (part as { readonly warnings?: readonly string[] }).warnings ?? [];
}

/** Logs what adapters have found, each sentence once. Adapters bound how many they hold. */
export function warningLog(log: Pick<Log, 'warn'>): (component: string, part: object) => void {
  const told = new Set<string>();
  return (component, part) => {
    for (const warning of warningsOf(part)) {
      if (told.has(warning)) continue;
      told.add(warning);
      log.warn({ component }, warning);
    }
  };
}
