import { parseArgs } from 'node:util';
import { nearest } from '../config/nearest.ts';
import { SluiceError } from '../pipeline/errors.ts';

/** Where a command writes, so that a test can read it. */
export interface Output {
  /** Results: stdout. */
  result(line: string): void;
  /** Progress and messages: stderr. */
  message(line: string): void;
}

/** One command of the command line. */
export interface Command {
  readonly name: string;
  /** One line. */
  readonly summary: string;
  /** Everything `--help` shows below the summary. */
  readonly help: string;
  readonly options: Readonly<Record<string, { type: 'string' | 'boolean'; short?: string }>>;
  /** Runs it; resolves with the exit code. */
  run(
    input: { values: Readonly<Record<string, string | boolean | undefined>>; words: readonly string[] },
    output: Output,
  ): Promise<number>;
}

/**
 * Splits the arguments of a command into option values and words.
 *
 * @throws SluiceError E1002 for an unknown option (with the nearest known one) or one whose value is missing.
 */
export function argumentsOf(command: Command, args: readonly string[]): Parameters<Command['run']>[0] {
  const options = { ...command.options, help: { type: 'boolean', short: 'h' } } as const;
  for (const arg of args) {
    const name = /^--([^=]+)/.exec(arg)?.[1];
    if (name === undefined || name in options) continue;
    const known = nearest(name, Object.keys(options));
    const detail =
      known === null
        ? `it has ${Object.keys(options)
            .map((one) => `--${one}`)
            .join(', ')}`
        : `did you mean --${known}?`;
    throw new SluiceError('E1002', `${command.name} has no option --${name}`, { detail });
  }
  try {
    const { values, positionals } = parseArgs({ args: [...args], options, allowPositionals: true });
    return { values, words: positionals };
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error);
    throw new SluiceError('E1002', `the arguments of ${command.name} are not usable`, {
      detail,
      remedy: `See sluice ${command.name} --help`,
    });
  }
}
