import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { SluiceProcess } from '../support/sluice-process.ts';
import type { Ledger } from './ledger.ts';
import type { Links } from './links.ts';

/** How an instance ended without having been asked to, or otherwise than it was asked to. */
export interface OddExit {
  readonly instance: number;
  readonly code: number | null;
  /** `code` of the last fatal log line, or what else is known. */
  readonly reason: string;
}

export interface InstanceOptions {
  readonly number: number;
  readonly links: Links;
  readonly config: Readonly<Record<string, unknown>>;
  /** Where its log and what it printed before an odd exit go. */
  readonly folder: string;
  readonly ledger: Ledger;
  readonly onOddExit: (exit: OddExit) => void;
}

const RESTART_MS = 1000;
/** Longer than a drain may take. */
const STOP_MS = 40_000;

/**
 * One place in a deployment where `sluice run` runs, as an orchestrator keeps it: while it is wanted, a process that
 * ends is started again after a second. States: unwanted, running, paused, away (ended and to be started again).
 */
export class Instance {
  readonly number: number;
  readonly links: Links;
  private readonly options: InstanceOptions;
  private process: SluiceProcess | null = null;
  private isWanted = false;
  private isPaused = false;
  private isSampling = false;

  constructor(options: InstanceOptions) {
    this.options = options;
    this.number = options.number;
    this.links = options.links;
  }

  get isRunning(): boolean {
    return this.process !== null && !this.isPaused;
  }

  /** Wants it to run from now on; resolves when the process is there, not when it is ready. */
  async start(): Promise<void> {
    this.isWanted = true;
    if (this.process === null) await this.spawn();
  }

  /**
   * SIGTERM; resolves when it has ended. Odd is an end with another code than 0, and one that takes too long; not that of
   * a process that was just starting: the signal alone ends it.
   */
  async stop(): Promise<void> {
    this.isWanted = false;
    const { process } = this;
    if (process === null) return;
    await this.sample();
    let isTooLate = false;
    const tooLate = setTimeout(() => {
      isTooLate = true;
      process.signal('SIGKILL');
    }, STOP_MS);
    const code = await process.stop();
    clearTimeout(tooLate);
    this.process = null;
    if (isTooLate) this.tell(process, code, `no end within ${STOP_MS} ms of SIGTERM`);
    else if (code !== 0 && code !== null) this.tell(process, code, reasonIn(process.output));
  }

  /** SIGKILL; it stays away for so long. */
  async kill(awayMs: number): Promise<void> {
    this.isWanted = false;
    await this.sample();
    const { process } = this;
    this.process = null;
    await process?.kill();
    await delay(awayMs);
    await this.start();
  }

  pause(): void {
    this.isPaused = true;
    this.process?.signal('SIGSTOP');
  }

  resume(): void {
    this.process?.signal('SIGCONT');
    this.isPaused = false;
  }

  /** Ends it for good, whatever state it is in. */
  async end(): Promise<void> {
    this.isWanted = false;
    this.resume();
    const { process } = this;
    this.process = null;
    await process?.kill();
  }

  /** Takes note of its metrics and of its memory. */
  async sample(): Promise<void> {
    const { process } = this;
    if (process === null || this.isPaused || this.isSampling) return;
    this.isSampling = true;
    try {
      this.options.ledger.memory(process.residentBytes);
      const answer = await Promise.race([process.get('/metrics'), delay(2000, null)]);
      if (answer !== null) this.options.ledger.metrics(process, answer.text);
    } catch {
      // Not listening yet, or ended: the last sample stands.
    } finally {
      this.isSampling = false;
    }
  }

  private async spawn(): Promise<void> {
    const process = await SluiceProcess.spawn(this.options.config);
    this.process = process;
    void process.ended().then(async (code) => {
      if (this.process !== process || !this.isWanted) return;
      this.process = null;
      this.tell(process, code, reasonIn(process.output));
      await delay(RESTART_MS);
      if (this.isWanted && this.process === null) await this.spawn();
    });
  }

  private tell({ output }: SluiceProcess, code: number | null, reason: string): void {
    const { folder, number, onOddExit } = this.options;
    appendFileSync(
      join(folder, `instance-${number}.exits.log`),
      `exit ${code}: ${reason}\n${output.slice(-20_000)}\n\n`,
    );
    onOddExit({ instance: number, code, reason });
  }
}

/** The error code of the last fatal line; a crash has none. */
function reasonIn(output: string): string {
  for (const line of output.trimEnd().split('\n').reverse()) {
    const fatal = /"level":"fatal".*"code":"(E\d{4})"/.exec(line) ?? /"code":"(E\d{4})".*"level":"fatal"/.exec(line);
    if (fatal !== null) return fatal[1] as string;
  }
  return 'crash';
}
