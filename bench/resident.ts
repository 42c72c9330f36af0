import { readFileSync, writeFileSync } from 'node:fs';

/** Has the kernel forget the highest resident set of a process so far; where it will not, the peak is that of its whole life. */
export function forgetPeakResident(pid: number): void {
  try {
    writeFileSync(`/proc/${pid}/clear_refs`, '5');
  } catch {
    // An upper bound is still an honest answer.
  }
}

/** The highest resident set of a process since then, bytes. */
export function peakResidentBytes(pid: number): number {
  const found = /^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  if (found === null) throw new Error(`the kernel does not tell the resident set of process ${pid}`);
  return Number(found[1]) * 1024;
}
