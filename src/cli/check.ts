import { accessSync, constants } from 'node:fs';
import { describeConfig } from '../config/describe.ts';
import type { Config } from '../config/load.ts';
import { processConfig } from '../config/process-config.ts';
import { SluiceError } from '../pipeline/errors.ts';
import { kafkaPing } from '../sources/kafka-ping.ts';
import type { Command, Output } from './command.ts';
import { connect, kafkaOptions } from './connect.ts';
import { unexpected } from './unexpected.ts';
import { warningsOf } from './warnings.ts';

/** Looks at configuration and every server by the code that a start runs, and says what is missing. */
export const check: Command = {
  name: 'check',
  summary: 'Checks the configuration and every connection, and says what is missing.',
  help: `Usage: sluice check [--config FILE] [--show]

Loads the configuration, then asks every server it names what a start would ask. The store's tables are created
if they are missing; nothing else is changed. Prints one line for each, with the remedy where something is wrong.

Options:
  -c, --config FILE   configuration (default: environment and defaults only)
      --show          also print every setting in force and where it comes from; secrets are masked

Exit codes: 0 all is well, 1 something is not, 2 the configuration is wrong`,
  options: { config: { type: 'string', short: 'c' }, show: { type: 'boolean' } },
  async run({ values }, output) {
    const config = processConfig(typeof values.config === 'string' ? values.config : undefined);
    if (values.show === true)
      for (const { key, value, origin } of describeConfig(config)) output.result(`${key} = ${value}  (${origin})`);
    output.result('ok    configuration');
    for (const warning of config.warnings) output.result(`warn  ${warning}`);
    const parts = connect(config);
    const checks: [string, () => Promise<string>][] = [
      [`source (${config.source.type})`, () => checkSource(config)],
      [`store (${parts.store.name})`, () => withWarnings(parts.store, output, () => parts.store.open())],
      [`buffer (${parts.buffer.name})`, () => withWarnings(parts.buffer, output, () => parts.buffer.ping())],
      [`index (${parts.index.name})`, () => withWarnings(parts.index, output, () => parts.index.ping())],
    ];
    let isWell = true;
    for (const [name, ask] of checks) {
      try {
        const found = await ask();
        output.result(`ok    ${name}${found === '' ? '' : `: ${found}`}`);
      } catch (error) {
        isWell = false;
        output.result(`FAIL  ${name}: ${unexpected(error).line}`);
      }
    }
    for (const part of [parts.source, parts.buffer, parts.index, parts.store])
      await part.close().catch(() => undefined);
    return isWell ? 0 : 1;
  },
};

async function checkSource({ source }: Config): Promise<string> {
  if (source.type === 'kafka') {
    const { lag, partitions, topics } = await kafkaPing({ ...kafkaOptions(source), onEvent: () => undefined });
    return `${topics} topics, ${partitions} partitions, ${lag} records behind`;
  }
  if (source.path === '-') return 'standard input';
  try {
    accessSync(source.path, constants.R_OK);
  } catch (error) {
    throw new SluiceError('E2004', `${source.path} cannot be read`, {
      detail: (error as NodeJS.ErrnoException).code ?? 'unknown',
      remedy: 'Check source.path and the rights of this user',
    });
  }
  return source.path;
}

async function withWarnings(part: object, output: Output, ask: () => Promise<void>): Promise<string> {
  await ask();
  for (const warning of warningsOf(part)) output.result(`warn  ${warning}`);
  return '';
}
