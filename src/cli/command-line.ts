import { manifest } from '../config/manifest.ts';
import { nearest } from '../config/nearest.ts';
import { SluiceError } from '../pipeline/errors.ts';
import { check } from './check.ts';
import { argumentsOf, type Command, type Output } from './command.ts';
import { deadLetters } from './dead-letters.ts';
import { demo } from './demo.ts';
import { epoch } from './epoch.ts';
import { run } from './run.ts';

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
    if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
      output.result(USAGE);
      return name === undefined ? 2 : 0;
    }
    if (name === '--version') {
      output.result(`sluice ${manifest().version} (node ${process.version})`);
      return 0;
    }
    const command = COMMANDS.find((one) => one.name === name);
    if (command === undefined) {
      const known = nearest(
        name,
        COMMANDS.map((one) => one.name),
      );
      const remedy = known === null ? 'See sluice --help' : `Did you mean sluice ${known}?`;
      throw new SluiceError('E1002', `there is no command ${JSON.stringify(name)}`, { remedy });
    }
    const input = argumentsOf(command, rest);
    if (input.values.help === true) {
      output.result(`${command.summary}\n\n${command.help}`);
      return 0;
    }
    return await command.run(input, output);
  } catch (error) {
    if (!(error instanceof SluiceError)) {
      output.message(
        `E9001 unexpected failure (${error instanceof Error ? (error.stack ?? error.message) : String(error)})`,
      );
      return 1;
    }
    output.message(error.line);
    return error.code.startsWith('E1') ? 2 : 1;
  }
}
