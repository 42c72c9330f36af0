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
  /** Words it takes beside options. Default: none. */
  readonly maxWords?: number;
  /** Runs it; resolves with the exit code. */
  run(
    input: { values: Readonly<Record<string, string | boolean | undefined>>; words: readonly string[] },
    output: Output,
  ): Promise<number>;
}

/**
 * Splits the arguments of a command into option values and words.
 *
 * @throws SluiceError E1002 for an unknown option (with the nearest known one), one whose value is missing, and a word
 * too many.
 */
export function argumentsOf(command: Command, args: readonly string[]): Parameters<Command['run']>[0] {
  const options = { ...command.options, help: { type: 'boolean', short: 'h' } } as const;
  const remedy = `See sluice ${command.name} --help`;
  try {
    const parsed = parseArgs({ args: [...args], options, allowPositionals: true, strict: false, tokens: true });
    for (const token of parsed.tokens) if (token.kind === 'option') checkOption(command, options, token);
    const { maxWords = 0 } = command;
    const extra = parsed.positionals[maxWords];
    if (extra !== undefined) {
      const isFile = 'config' in options && /\.(ya?ml|json)$/.test(extra);
      throw new SluiceError('E1002', `${command.name} does not take ${JSON.stringify(extra)}`, {
        remedy: isFile ? `Did you mean --config ${extra}?` : remedy,
      });
    }
    return { values: parsed.values as Record<string, string | boolean | undefined>, words: parsed.positionals };
  } catch (error) {
    if (error instanceof SluiceError) throw error;
    throw new SluiceError('E1002', `the arguments of ${command.name} are not usable`, { remedy, cause: error });
  }
}

interface OptionToken {
  readonly name: string;
  readonly rawName: string;
  readonly value: string | undefined;
}

/** What parseArgs refuses in strict mode, in words of ours. */
function checkOption(command: Command, options: Command['options'], { name, rawName, value }: OptionToken): void {
  const option = Object.hasOwn(options, name) ? options[name] : undefined;
  if (option === undefined) {
    const names = Object.keys(options);
    const near = rawName.startsWith('--') ? nearest(name, names) : null;
    throw new SluiceError('E1002', `${command.name} has no option ${rawName}`, {
      detail: `it has ${names.map((one) => `--${one}`).join(', ')}`,
      remedy: near === null ? `See sluice ${command.name} --help` : `Did you mean --${near}?`,
    });
  }
  // A value that begins with a dash is far more often a forgotten one; `--option=-value` says it on purpose.
  const isMissing = value === undefined || value === '' || (value.startsWith('--') && value.length > 2);
  if (option.type === 'string' && isMissing) {
    throw new SluiceError('E1002', `${rawName} needs a value`, { remedy: `See sluice ${command.name} --help` });
  }
  if (option.type === 'boolean' && value !== undefined)
    throw new SluiceError('E1002', `${rawName} takes no value`, { remedy: `See sluice ${command.name} --help` });
}
