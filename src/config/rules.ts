import { accessSync, constants } from 'node:fs';
import { SluiceError } from '../pipeline/errors.ts';
import { tables } from '../pipeline/tables.ts';
import { isEncrypted, isLoopback } from './connections.ts';
import type { Problem } from './problems.ts';
import type { Settings } from './schema.ts';
import type { TlsSettings } from './tls-schema.ts';

/** What can only be judged across keys. Sections that are wrong in themselves are missing here. */
export function crossProblems(settings: Partial<Settings>): Problem[] {
  return [
    ...limitProblems(settings),
    ...tableProblems(settings),
    ...bufferProblems(settings.buffer),
    ...indexProblems(settings.index),
    ...tlsProblems(settings),
  ];
}

function limitProblems({ index, inFlight, log, window }: Partial<Settings>): Problem[] {
  const problems: Problem[] = [];
  const notAbove = (path: string, value: number, limit: string, most: number): void => {
    if (value > most) problems.push({ path, rule: `must not exceed ${limit} (${most})`, seen: String(value) });
  };
  if (window !== undefined && inFlight !== undefined) {
    notAbove('window.maxBytes', window.maxBytes, 'inFlight.bytes', inFlight.bytes);
    notAbove('window.maxKeys', window.maxKeys, 'inFlight.changes', inFlight.changes);
  }
  if (index !== undefined) notAbove('index.retry.firstMs', index.retry.firstMs, 'index.retry.maxMs', index.retry.maxMs);
  if (log?.file !== undefined)
    notAbove('log.file.maxBytes', log.file.maxBytes, 'log.file.maxTotalBytes', log.file.maxTotalBytes);
  return problems;
}

/** Asks the router itself, so that what it refuses is known before anything is connected. */
function tableProblems({ tables: rules }: Partial<Settings>): Problem[] {
  if (rules === undefined) return [];
  const both = rules.flatMap(({ exclude, include }, i) =>
    include !== undefined && exclude !== undefined
      ? [{ path: `tables[${i}]`, rule: 'must not have both include and exclude' }]
      : [],
  );
  try {
    tables({ rules });
    return both;
  } catch (error) {
    if (!(error instanceof SluiceError)) throw error;
    return [
      ...both,
      { path: 'tables', rule: `cannot be used: ${error.message}${error.detail ? ` (${error.detail})` : ''}` },
    ];
  }
}

function bufferProblems(buffer: Settings['buffer'] | undefined): Problem[] {
  if (buffer?.type !== 'redis') return [];
  if (buffer.url === undefined && buffer.nodes === undefined) {
    return [{ path: 'buffer', rule: 'needs url (one Redis) or nodes (a cluster)' }];
  }
  if (buffer.url !== undefined && buffer.nodes !== undefined) {
    return [{ path: 'buffer', rule: 'must not have both url and nodes' }];
  }
  return [];
}

function indexProblems(index: Settings['index'] | undefined): Problem[] {
  if (index?.type !== 'elasticsearch') return [];
  const problems: Problem[] = [];
  const { apiKey, password, username } = index.auth ?? {};
  if (apiKey !== undefined && (username !== undefined || password !== undefined)) {
    problems.push({ path: 'index.auth', rule: 'must hold either apiKey or username and password' });
  } else if ((username === undefined) !== (password === undefined)) {
    problems.push({ path: 'index.auth', rule: `needs ${username === undefined ? 'username' : 'password'} too` });
  }
  if (isEncrypted(index.tls) && index.nodes.some((node) => node.startsWith('http:'))) {
    problems.push({ path: 'index.nodes', rule: 'must all begin with https:// when index.tls is set' });
  }
  return problems;
}

function tlsProblems({ buffer, index, journal, source }: Partial<Settings>): Problem[] {
  const connections: [string, TlsSettings | undefined][] = [
    ['source.ssl', source?.type === 'kafka' ? source.ssl : undefined],
    ['buffer.tls', buffer?.type === 'redis' ? buffer.tls : undefined],
    ['journal.tls', journal?.type === 'mysql' ? journal.tls : undefined],
    ['index.tls', index?.type === 'elasticsearch' ? index.tls : undefined],
  ];
  return connections.flatMap(([path, tls]) => {
    if (tls === undefined) return [];
    const { ca, cert, key } = tls as Extract<TlsSettings, { ca?: string }>;
    const problems = Object.entries({ ca, cert, key }).flatMap(([name, file]) => unreadable(`${path}.${name}`, file));
    if ((cert === undefined) !== (key === undefined)) problems.push({ path, rule: 'needs cert and key together' });
    return problems;
  });
}

function unreadable(path: string, file: string | undefined): Problem[] {
  if (file === undefined) return [];
  try {
    accessSync(file, constants.R_OK);
    return [];
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown';
    return [{ path, rule: `must be a file that can be read (${code})`, seen: JSON.stringify(file) }];
  }
}

/** What works but should not stay so, one sentence each. */
export function warningsOf({ buffer, index, journal, source }: Settings): string[] {
  const warnings: string[] = [];
  const plain = (
    path: string,
    hasPassword: boolean,
    isSafe: boolean,
    places: readonly string[],
    remedy: string,
  ): void => {
    if (hasPassword && !isSafe && !places.every(isLoopback)) {
      warnings.push(`${path} travels in plain text to another machine: ${remedy}`);
    }
  };
  if (source.type === 'kafka') {
    plain('source.sasl.password', source.sasl !== undefined, isEncrypted(source.ssl), source.brokers, 'set source.ssl');
  }
  if (buffer.type === 'redis') {
    const isSafe = isEncrypted(buffer.tls) || buffer.url?.startsWith('rediss:') === true;
    const places = buffer.nodes ?? [buffer.url ?? ''];
    plain('buffer.password', buffer.password !== undefined, isSafe, places, 'use rediss:// or set buffer.tls');
  }
  if (journal.type === 'mysql') {
    const places = [journal.url, ...(journal.shards?.urls ?? [])];
    plain('journal.password', journal.password !== undefined, isEncrypted(journal.tls), places, 'set journal.tls');
  }
  if (index.type === 'elasticsearch') {
    const plainNodes = index.nodes.filter((node) => node.startsWith('http:'));
    plain('index.auth', index.auth !== undefined, plainNodes.length === 0, plainNodes, 'use https:// in index.nodes');
  }
  return warnings;
}
