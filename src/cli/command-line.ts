import { manifest } from '../config/manifest.ts';
import { nearest } from '../config/nearest.ts';
import { SluiceError } from '../pipeline/errors.ts';
import { check } from './check.ts';
import { argumentsOf, type Command, type Output } from './command.ts';
import { deadLetters } from './dead-letters.ts';
import { demo } from './demo.ts';
import { epoch } from './epoch.ts';
import { run } from './run.ts';
import { exitCodeOf, unexpected } from './unexpected.ts';

const COMMANDS: readonly Command[] = [run, demo, check, deadLetters, epoch];

const USAGE = `sluice keeps Elasticsearch in step with MySQL: Canal changes from Kafka, folded to the last change per key.

Usage: sluice <command> [options]

Commands:
${COMMANDS.map(({ name, summary }) => `  ${name.padEnd(14)}${summary}`).join('\n')}

Examples:
  sluice demo                                  replay a real Canal capture, no servers needed
  sluice check --config sluice.yaml            look at configuration and servers before running
  sluice run --config sluice.yaml              run until stopped
  sluice dead-letters list                     see what could not be applied, and why

Options:
  -h, --help       help for sluice or for a command
      --version    version of sluice and of Node.js

Exit codes: 0 done or stopped cleanly, 1 failed, 2 wrong usage or configuration, 130/143 stopped by a second signal
`;

/** Runs one command line; resolves with the exit code. Never throws. */
export async function commandLine(args: readonly string[], output: Output): Promise<number> {
  const [name, ...rest] = args;
  try {
    if (name === undefined) {
      output.message(USAGE.trimEnd());
      return 2;
    }
    if (name === '--help' || name === '-h' || (name === 'help' && rest.length === 0)) {
      output.result(USAGE);
      return 0;
    }
    if (name === 'help') return await commandLine([...rest.slice(0, 1), '--help'], output);
    if (name === '--version') {
      output.result(`sluice ${manifest().version} (node ${process.version})`);
      return 0;
    }
    const command = COMMANDS.find((one) => one.name === name);
    if (command === undefined) {
      throw unknownCommand(name);
    }
    const input = argumentsOf(command, rest);
    if (input.values.help === true) {
      output.result(`${command.summary}\n\n${command.help}`);
      return 0;
    }
    return await command.run(input, output);
  } catch (error) {
    const known = unexpected(error);
    output.message(known.line);
    return exitCodeOf(known);
  }
}

function unknownCommand(name: string): SluiceError {
  if (name.startsWith('-')) {
    return new SluiceError('E1002', `a command comes before ${name}`, {
      remedy: 'For example: sluice run --config FILE',
    });
  }
  const names = COMMANDS.map((one) => one.name);
  const near = nearest(name, names);
  return new SluiceError('E1002', `there is no command ${JSON.stringify(name)}`, {
    detail: `there are ${names.join(', ')}`,
    remedy: near === null ? 'See sluice --help' : `Did you mean sluice ${near}?`,
  });
}
