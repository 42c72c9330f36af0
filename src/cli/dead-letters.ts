import { from, lastValueFrom } from 'rxjs';
import { SluiceError } from '../pipeline/errors.ts';
import type { DeadLetter, LetterFilter, Store } from '../pipeline/ports.ts';
import type { Command, Output } from './command.ts';
import { openStore } from './connect.ts';

type Values = Parameters<Command['run']>[0]['values'];

/** Lists what could not be applied, shows or closes one letter, and marks letters to be sent again. */
export const deadLetters: Command = {
  name: 'dead-letters',
  summary: 'Lists, shows, sends again and closes what could not be applied.',
  help: `Usage: sluice dead-letters list|show ID|redrive|close ID [options]

  list         one line a letter: id, state, time, table, reason, position, detail
  show ID      one letter with its body
  redrive      marks open letters; the running service that owns their partition sends them again,
               by version, and never over a newer change. Needs --all, --id, --table or --reason.
  close ID     closes one letter whose row was put right by hand; nothing is sent

Options:
  -c, --config FILE     configuration (default: environment and defaults only)
      --table NAME      only letters of database.table
      --reason REASON   only letters of this reason
      --state STATE     open (default for redrive), redrive or closed
      --id ID           only this letter
      --all             redrive every open letter
      --limit N         at most N lines (default 100)
      --output FORMAT   text (default) or json

Examples:
  sluice dead-letters list --state open
  sluice dead-letters show 17
  sluice dead-letters redrive --table shop.orders --reason mapper_parsing_exception
  sluice dead-letters close 17`,
  options: {
    config: { type: 'string', short: 'c' },
    table: { type: 'string' },
    reason: { type: 'string' },
    state: { type: 'string' },
    id: { type: 'string' },
    all: { type: 'boolean' },
    limit: { type: 'string' },
    output: { type: 'string' },
  },
  maxWords: 2,
  async run({ values, words }, output) {
    const [action = 'list', id] = words;
    const isOfOne = action === 'show' || action === 'close';
    const filter = filterOf(values, isOfOne ? id : undefined);
    const actions: Record<string, (store: Store) => Promise<number>> = {
      list: (store) => list(store, filter, values.output === 'json', output),
      show: (store) => show(store, filter, output),
      redrive: (store) => redrive(store, filter, output),
      close: (store) => close(store, filter, output),
    };
    const act = Object.hasOwn(actions, action) ? actions[action] : undefined;
    if (act === undefined) {
      throw new SluiceError('E1002', `dead-letters cannot ${JSON.stringify(action)}`, {
        remedy: 'Say list, show, redrive or close',
      });
    }
    if (isOfOne && filter.id === undefined)
      throw new SluiceError('E1002', `${action} needs the id of a letter`, {
        remedy: 'sluice dead-letters list shows them',
      });
    if (!isOfOne && id !== undefined)
      throw new SluiceError('E1002', `${action} does not take ${JSON.stringify(id)}`, {
        remedy: `Did you mean --id ${id}?`,
      });
    if (action === 'redrive' && values.all !== true && !isNarrow(filter)) {
      throw new SluiceError('E1002', 'redrive needs to know which letters', {
        remedy: 'Give --id, --table or --reason, or --all',
      });
    }
    const store = await openStore(typeof values.config === 'string' ? values.config : undefined);
    try {
      return await act(store);
    } finally {
      await store.close();
    }
  },
};

async function list(store: Store, filter: LetterFilter, asJson: boolean, output: Output): Promise<number> {
  const letters = await store.letters(filter);
  if (asJson) {
    output.result(
      JSON.stringify(letters.map(({ body: _, ...letter }) => ({ ...letter, table: letter.table?.qualified ?? null }))),
    );
    return 0;
  }
  for (const letter of letters) output.result(lineOf(letter));
  if (letters.length === 0) output.message('No dead letters match.');
  return 0;
}

async function show(store: Store, filter: LetterFilter, output: Output): Promise<number> {
  const [letter] = await store.letters(filter);
  if (letter === undefined)
    throw new SluiceError('E6001', `there is no dead letter ${filter.id}`, {
      remedy: 'sluice dead-letters list shows them',
    });
  output.result(lineOf(letter));
  output.result(`key      ${plain(letter.key ?? '-')}\nversion  ${letter.version}\nbody     ${plain(letter.body)}`);
  return 0;
}

async function redrive(store: Store, filter: LetterFilter, output: Output): Promise<number> {
  const { limit: _, ...all } = filter;
  const marked = await store.requestRedrive({ ...all, state: 'open' });
  if (marked === 0)
    throw new SluiceError('E6001', 'no open dead letter matches', {
      remedy: 'sluice dead-letters list --state open shows them',
    });
  output.result(
    `${marked} ${marked === 1 ? 'letter is' : 'letters are'} marked; the running service sends them again.`,
  );
  return 0;
}

async function close(store: Store, filter: LetterFilter, output: Output): Promise<number> {
  const [letter] = await store.letters(filter);
  if (letter === undefined || letter.state === 'closed')
    throw new SluiceError('E6001', `there is no open dead letter ${filter.id}`, {
      detail: letter === undefined ? '' : 'it is closed already',
      remedy: 'sluice dead-letters list --state open shows them',
    });
  await lastValueFrom(from(store.setLetterState([letter.id], 'closed')), { defaultValue: undefined });
  output.result(`Letter ${letter.id} is closed.`);
  return 0;
}

function isNarrow({ id, reason, table }: LetterFilter): boolean {
  return id !== undefined || table !== undefined || reason !== undefined;
}

/** Control characters escaped: records come from outside, and a terminal would obey them. */
function plain(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}]/gu, (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`);
}

function lineOf(letter: DeadLetter): string {
  const at = new Date(letter.createdMs).toISOString();
  const place = `${letter.topic}/${letter.partition}@${letter.offset}`;
  return `${letter.id}  ${letter.state}  ${at}  ${plain(letter.table?.qualified ?? '-')}  ${letter.reason}  ${place}  ${plain(letter.detail)}`;
}

function filterOf(values: Values, shown: string | undefined): LetterFilter {
  const numberOf = (name: string, text: string): number => {
    if (!/^\d{1,15}$/.test(text))
      throw new SluiceError('E1002', `--${name} is not a number`, { detail: JSON.stringify(text) });
    return Number(text);
  };
  const id = shown ?? values.id;
  const { table, reason, state, limit } = values;
  if (state !== undefined && state !== 'open' && state !== 'redrive' && state !== 'closed') {
    throw new SluiceError('E1002', '--state is not a state of letters', { remedy: 'Say open, redrive or closed' });
  }
  return {
    limit: typeof limit === 'string' ? numberOf('limit', limit) : 100,
    ...(typeof table === 'string' ? { table } : {}),
    ...(typeof reason === 'string' ? { reason } : {}),
    ...(state === undefined ? {} : { state }),
    ...(typeof id === 'string' ? { id: numberOf('id', id) } : {}),
  };
}
