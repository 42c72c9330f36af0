import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { commandLine } from '../../src/cli/command-line.ts';
import { unexpected } from '../../src/cli/unexpected.ts';
import { type Folder, inFolder, SluiceCommand, sluice } from './sluice-command.ts';

const COMMANDS = ['run', 'demo', 'check', 'dead-letters', 'epoch'];

/** Runs a command line in this process; enough where nothing is connected. */
async function line(...args: string[]): Promise<{ code: number; results: string; messages: string }> {
  const [results, messages]: [string[], string[]] = [[], []];
  const code = await commandLine(args, { result: (one) => results.push(one), message: (one) => messages.push(one) });
  return { code, results: results.join('\n'), messages: messages.join('\n') };
}

test('sluice --help names every command on stdout and ends 0; sluice alone says the same on stderr and ends 2', async () => {
  const [help, alone] = await Promise.all([sluice(['--help']), sluice([])]);
  assert.deepEqual([help.code, help.stderr], [0, '']);
  for (const name of COMMANDS) assert.match(help.stdout, new RegExp(`^ {2}${name} `, 'm'));
  for (const part of ['Usage: sluice <command>', 'Examples:', 'Exit codes:'])
    assert.ok(help.stdout.includes(part), part);
  assert.deepEqual([alone.code, alone.stdout], [2, '']);
  assert.equal(alone.stderr, help.stdout);
});

test('each command explains itself by --help, -h and sluice help, without looking at any configuration', async () => {
  for (const name of COMMANDS) {
    const { code, messages, results } = await line(name, '--help');
    assert.deepEqual([code, messages], [0, ''], name);
    assert.match(results, new RegExp(`^Usage: sluice ${name}`, 'm'));
    assert.ok(results.includes('Options:'), name);
    for (const longLine of results.split('\n')) assert.ok(longLine.length <= 120, longLine);
    assert.deepEqual(await line(name, '-h'), await line('help', name));
    assert.deepEqual(await line(name, '-h'), { code, messages, results });
  }
});

test('--version is one line', async () => {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  const { code, stderr, stdout } = await sluice(['--version']);
  assert.deepEqual([code, stderr], [0, '']);
  assert.equal(stdout, `sluice ${version} (node ${process.version})\n`);
});

test('what is not understood ends 2 with one line on stderr that helps', async () => {
  const wrong: [args: string[], says: RegExp][] = [
    [['chek'], /^E1002 there is no command "chek" .*Did you mean sluice check\?$/],
    [['dead-leters'], /Did you mean sluice dead-letters\?$/],
    [['frobnicate'], /there are run, demo, check, dead-letters, epoch.*See sluice --help$/],
    [['--config', 'x.yaml', 'run'], /^E1002 a command comes before --config/],
    [['help', 'chek'], /Did you mean sluice check\?$/],
    [['run', '--confg', 'x'], /^E1002 run has no option --confg .*Did you mean --config\?$/],
    [['run', '--__proto__'], /run has no option --__proto__/],
    [['run', '-x'], /run has no option -x .*See sluice run --help$/],
    [['run', 'sluice.yaml'], /run does not take "sluice.yaml"\. Did you mean --config sluice\.yaml\?$/],
    [['demo', 'extra'], /demo does not take "extra"/],
    [['run', '--config'], /--config needs a value/],
    [['run', '--config', '--help'], /--config needs a value/],
    [['check', '--show=yes'], /--show takes no value/],
    [['dead-letters', 'lst'], /dead-letters cannot "lst"\. Say list, show, redrive or close$/],
    [['dead-letters', 'constructor'], /dead-letters cannot "constructor"/],
    [['dead-letters', 'show'], /show needs the id of a letter/],
    [['dead-letters', 'show', 'x7'], /is not a number/],
    [['dead-letters', 'list', '7'], /Did you mean --id 7\?$/],
    [['dead-letters', 'list', '--limit', '-3'], /--limit is not a number/],
    [['dead-letters', 'list', '--state', 'shut'], /Say open, redrive or closed$/],
    [['dead-letters', 'redrive'], /Give --id, --table or --reason, or --all$/],
    [['epoch'], /Say show or bump$/],
    [['epoch', 'shw'], /epoch cannot "shw"\. Say show or bump$/],
  ];
  for (const [args, says] of wrong) {
    const { code, messages, results } = await line(...args);
    assert.deepEqual([code, results], [2, ''], args.join(' '));
    assert.match(messages, says);
    assert.doesNotMatch(messages, /\n/);
  }
});

test('an unexpected failure is told by type, code and place, never by its message', () => {
  const error = Object.assign(new TypeError('row {"card":"4111"} of INSERT INTO t'), { code: 'ER_X' });
  const { line: told } = unexpected(error);
  assert.match(told, /^E9001 unexpected failure \(TypeError ER_X at command-line\.test\.ts:\d+\)\. Please report/);
  assert.doesNotMatch(told, /4111|INSERT/);
  assert.match(unexpected('4111').line, /^E9001 unexpected failure \(string\)/);
});

test('a reader that leaves early ends neither the work nor the command with an error', async () => {
  await inFolder(async (folder: Folder) => {
    const command = new SluiceCommand(['demo', '--out', `${folder.path}/demo`]);
    const { stderr, stdout } = command.child;
    assert.ok(stderr && stdout);
    await once(stderr, 'data');
    stdout.destroy();
    stderr.destroy();
    const { code, signal } = await command.ended();
    assert.deepEqual([code, signal], [0, null]);
    const documents = readFileSync(`${folder.path}/demo/index/shop_orders.ndjson`, 'utf8');
    assert.ok(documents.split('\n').length > 10);
  });
});
