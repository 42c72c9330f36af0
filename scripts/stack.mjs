// Real servers for tests and for trying sluice out, without Docker: see `node scripts/stack.mjs --help`.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { install, readStack, release, remove } from './stack/index.mjs';
import { residentMb } from './stack/processes.mjs';
import { claimDirectory } from './stack/run-directories.mjs';
import { cacheDir, runRoot } from './stack/settings.mjs';
import { addressOf, defaultParts, environmentOf, parts, startParts, writeStack } from './stack/stack-file.mjs';

const help = `Usage: node scripts/stack.mjs COMMAND [OPTIONS]

  install            installs what the machine lacks (Debian packages, Maven artifacts)
  up                 starts the servers, and prints their addresses as environment variables
  status             shows the servers of a stack
  down               kills the servers of a stack and removes their data
  run -- COMMAND…    starts the servers for one command, and ends them with it

  --only NAMES       some of: ${parts.join(', ')}
                     (default: ${defaultParts.join(', ')}; install: all)
  --dir DIR          where stack.json lies (default: ${runRoot}/default)
  --optimize         kafka, elasticsearch, mariadb: slower to start or larger, and faster to run, for benchmarks
  --topic NAME       canal: the topic it writes to (default: shop)
  --partitions N     canal: partitions of that topic (default: 1)
  --filter REGEX     canal: which database.table it sends (default: shop\\..*)

Downloads are kept in ${cacheDir} (SLUICE_STACK_CACHE), data in ${runRoot} (SLUICE_STACK_RUN).
Needs root (Elasticsearch and MariaDB run as users of their own) and Debian 12; elsewhere use deploy/compose.yaml.`;

const commands = {
  async install({ only }) {
    const kinds = (only ?? parts).map((name) => (name === 'redis-cluster' ? 'redis' : name));
    await install(kinds.includes('canal') ? [...kinds, 'kafka', 'mariadb'] : kinds);
    console.error(`stack: all there, downloads are in ${cacheDir}`);
  },

  async up({ only = defaultParts, dir, ...options }) {
    const servers = await readStack(`${dir}/stack.json`);
    await startParts(only, servers, { keep: true, ...options });
    const file = await writeStack(dir, servers);
    await release([...servers.values()].flat());
    for (const [name, value] of Object.entries(environmentOf(file, servers))) console.log(`export ${name}='${value}'`);
  },

  async status({ dir }) {
    const servers = await readStack(`${dir}/stack.json`);
    if (servers.size === 0) console.log(`no stack in ${dir}`);
    for (const [name, list] of servers) {
      for (const server of list) {
        const state = server.pid ? `pid ${server.pid}, ${residentMb(server.pid)} MiB` : 'stopped';
        console.log(`${name.padEnd(14)} ${addressOf(server.spec).padEnd(52)} ${state}`);
      }
    }
  },

  async down({ dir }) {
    const servers = await readStack(`${dir}/stack.json`);
    await remove([...servers.values()].flat());
    await rm(`${dir}/stack.json`, { force: true });
    console.error(`stack: ${servers.size === 0 ? `no stack in ${dir}` : `${[...servers.keys()].join(', ')} ended`}`);
  },

  async run({ only = defaultParts, command, ...options }) {
    const servers = new Map();
    await startParts(only, servers, { keep: false, ...options });
    const { directory: dir } = await claimDirectory();
    try {
      const file = await writeStack(dir, servers);
      const env = { ...process.env, ...environmentOf(file, servers) };
      // The command ends when we are ended: without its servers it has nothing more to do.
      const child = spawn('setpriv', ['--pdeathsig', 'TERM', ...command], { stdio: 'inherit', env });
      const [code] = await once(child, 'exit');
      process.exitCode = code ?? 1;
    } finally {
      await rm(dir, { recursive: true, force: true });
      await remove([...servers.values()].flat());
    }
  },
};

class UsageError extends Error {}

function parse(args) {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      help: { type: 'boolean', short: 'h' },
      only: { type: 'string' },
      dir: { type: 'string', default: `${runRoot}/default` },
      optimize: { type: 'boolean', default: false },
      topic: { type: 'string', default: 'shop' },
      partitions: { type: 'string', default: '1' },
      filter: { type: 'string', default: 'shop\\..*' },
    },
  });
  const [name, ...command] = positionals;
  const only = values.only?.split(',');
  const unknown = only?.find((part) => !parts.includes(part));
  if (unknown !== undefined) throw new UsageError(`--only ${unknown}: no such server; choose from ${parts.join(', ')}`);
  const partitions = Number(values.partitions);
  if (!(partitions >= 1)) throw new UsageError(`--partitions ${values.partitions}: not a number from 1 up`);
  if (!values.help && !Object.hasOwn(commands, name ?? '')) {
    throw new UsageError(name ? `${name}: no such command; see --help` : 'no command; see --help');
  }
  if (name === 'run' && command.length === 0) throw new UsageError('run: nothing to run; put the command after --');
  if (name !== 'run' && command.length > 0)
    throw new UsageError(`${command[0]}: not expected after ${name}; see --help`);
  return { name, options: { ...values, only, partitions, command } };
}

try {
  const { name, options } = parse(process.argv.slice(2));
  if (options.help) console.log(help);
  else await commands[name](options);
} catch (error) {
  console.error(`stack: ${error.message}`);
  process.exitCode = error instanceof UsageError || error.code?.startsWith?.('ERR_PARSE_ARGS') ? 2 : 1;
}
