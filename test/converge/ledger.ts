/** What the processes of a run counted, summed over all that ever ran, and their memory at its highest. */
export class Ledger {
  peakResidentBytes = 0;
  private readonly last = new Map<object, ReadonlyMap<string, number>>();

  memory(residentBytes: number): void {
    this.peakResidentBytes = Math.max(this.peakResidentBytes, residentBytes);
  }

  /** The text of `/metrics` of a process. The last one of each process counts: what a killed one did after it is not known. */
  metrics(process: object, text: string): void {
    const series = new Map<string, number>();
    for (const line of text.split('\n')) {
      const at = line.lastIndexOf(' ');
      if (line.startsWith('#') || at <= 0) continue;
      series.set(line.slice(0, at), Number(line.slice(at + 1)));
    }
    this.last.set(process, series);
  }

  /** Sum of a counter over all processes and labels, or only over series whose labels contain every text given. */
  total(name: string, ...labels: readonly string[]): number {
    let sum = 0;
    for (const series of this.last.values()) {
      for (const [line, value] of series) {
        const isIt = line === name || line.startsWith(`${name}{`);
        if (isIt && labels.every((label) => line.includes(label))) sum += value;
      }
    }
    return sum;
  }
}
