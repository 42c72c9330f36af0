import { from, lastValueFrom } from 'rxjs';
import type { Config } from '../config/load.ts';
import { processConfig } from '../config/process-config.ts';
import { nextRegistration } from '../pipeline/epoch-bump.ts';
import { SluiceError } from '../pipeline/errors.ts';
import type { Store, TopicRegistration } from '../pipeline/ports.ts';
import { beginAgain, groupMembers, logRanges } from '../sources/kafka-group.ts';
import type { Command, Output } from './command.ts';
import { kafkaOptions, openStore } from './connect.ts';

type KafkaSettings = Extract<Config['source'], { type: 'kafka' }>;

/** Shows and begins epochs: what versions of a topic are counted from. */
export const epoch: Command = {
  name: 'epoch',
  summary: 'Shows the epoch of topics, or begins a new one after partitions were added or a topic was made again.',
  help: `Usage: sluice epoch show [--config FILE]
       sluice epoch bump --topic TOPIC [--recreated] --yes [--config FILE]

A new epoch makes every later version larger than every earlier one. It is needed when offsets stop being
comparable: partitions were added, or the topic was deleted and made again. Refused while the consumer group has
members. Order of work: stop Canal, stop every instance of sluice, change the topic, bump, start sluice, start Canal.

Options:
  -c, --config FILE   configuration (default: environment and defaults only)
      --topic TOPIC   the topic
      --recreated     the topic was deleted and made again: all of it is new, positions begin at its start
      --yes           do it; without it only what would be done is printed`,
  options: {
    config: { type: 'string', short: 'c' },
    topic: { type: 'string' },
    recreated: { type: 'boolean' },
    yes: { type: 'boolean' },
  },
  maxWords: 1,
  async run({ values, words }, output) {
    const file = typeof values.config === 'string' ? values.config : undefined;
    const [action] = words;
    if (action !== 'show' && action !== 'bump') {
      const fact = action === undefined ? 'epoch needs to know what to do' : `epoch cannot ${JSON.stringify(action)}`;
      throw new SluiceError('E1002', fact, { remedy: 'Say show or bump' });
    }
    const { source } = processConfig(file);
    if (source.type !== 'kafka')
      throw new SluiceError('E1002', 'a file has no epochs', { remedy: 'Configure source.brokers' });
    const store = await openStore(file);
    try {
      if (action === 'show') return await show(store, source, output);
      const topic = typeof values.topic === 'string' ? values.topic : null;
      if (topic === null) throw new SluiceError('E1002', 'bump needs a topic', { remedy: 'Give --topic' });
      return await bump(
        store,
        source,
        { topic, isRecreated: values.recreated === true, isMeant: values.yes === true },
        output,
      );
    } finally {
      await store.close();
    }
  },
};

async function show(store: Store, { topics }: KafkaSettings, output: Output): Promise<number> {
  if ('pattern' in topics)
    throw new SluiceError('E1002', 'show needs topics by name', { remedy: 'List them in source.topics' });
  for (const topic of topics) {
    const registration = await store.registration(topic);
    output.result(registration === null ? `${topic}  not registered yet` : describe(registration));
  }
  return 0;
}

async function bump(
  store: Store,
  source: KafkaSettings,
  { topic, isMeant, isRecreated }: { topic: string; isMeant: boolean; isRecreated: boolean },
  output: Output,
): Promise<number> {
  const registration = await store.registration(topic);
  if (registration === null)
    throw new SluiceError('E2002', `topic ${topic} is not registered`, {
      remedy: 'It will be when sluice first reads it',
    });
  const options = { ...kafkaOptions(source), onEvent: () => undefined };
  const members = await groupMembers(options, source.groupId);
  if (members > 0) {
    throw new SluiceError('E2002', `group ${source.groupId} still has ${members} members`, {
      detail: 'an epoch must not change under a running instance',
      remedy: 'Stop every instance first',
    });
  }
  const ranges = await logRanges(options, topic);
  const next = nextRegistration(registration, ranges, isRecreated, await store.positions(topic));
  if (!isMeant) {
    output.result(`would be: ${describe(next)}`);
    output.message('Nothing was changed; say --yes to do it.');
    return 0;
  }
  // Positions after the epoch: a registration that is in force decides what they are compared by.
  await store.register(next);
  if (isRecreated) {
    await beginAgain(options, source.groupId, topic, ranges);
    const positions = ranges.map(({ partition, low }) => {
      return {
        topic,
        partition,
        settled: low,
        anchor: null,
        deletesChecked: low,
        candidate: low,
        candidateSinceMs: Date.now(),
      };
    });
    await lastValueFrom(from(store.savePositions(positions)), { defaultValue: undefined });
  }
  output.result(describe(next));
  return 0;
}

function describe({ topic, partitions, epoch: number, boundaries }: TopicRegistration): string {
  const from = boundaries
    .map(({ partition, epoch: begun, fromOffset }) => `${partition}@${fromOffset}→${begun}`)
    .join(' ');
  return `${topic}  epoch ${number}, ${partitions} partitions${from === '' ? '' : `, begun at ${from}`}`;
}
