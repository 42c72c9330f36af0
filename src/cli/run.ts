import type { Logger } from 'pino';
import type { Config } from '../config/load.ts';
import { manifest } from '../config/manifest.ts';
import { processConfig } from '../config/process-config.ts';
import type { DependencyName } from '../pipeline/dependencies.ts';
import { SluiceError } from '../pipeline/errors.ts';
import { type Health, health } from '../pipeline/health.ts';
import { httpServer } from '../pipeline/http-server.ts';
import type { PartitionLog } from '../pipeline/position.ts';
import { closeParts, type Ending, runService } from '../pipeline/run-service.ts';
import type { Parts } from '../pipeline/stages.ts';
import { type Telemetry, telemetry } from '../pipeline/telemetry.ts';
import type { Command } from './command.ts';
import { connect, stuckMs, syncOptions } from './connect.ts';
import { serviceLog } from './log.ts';
import { steadyScheduler } from './steady-scheduler.ts';
import { stopSignals } from './stop-signals.ts';
import { exitCodeOf, unexpected } from './unexpected.ts';
import { warningLog } from './warnings.ts';

/** Runs the service until it is stopped, its input ends, or it cannot go on. */
export const run: Command = {
  name: 'run',
  summary: 'Runs the pipeline until it is stopped or its input ends.',
  help: `Usage: sluice run [--config FILE]

SIGTERM or SIGINT stops intake, drains, parks what is left, commits and exits 0; a second signal exits at once.
Serves /metrics, /livez, /readyz and /health on http.host and http.port.

Options:
  -c, --config FILE   configuration (default: environment and defaults only)

Environment: every key has a variable SLUICE_…, see docs/configuration.md

Examples:
  sluice run --config sluice.yaml
  SLUICE_SOURCE_PATH=- sluice run < changes.ndjson     read standard input, write below out/

Exit codes: 0 input ended or stopped cleanly, 1 failed, or input ended with keys parked,
2 wrong usage or configuration, 130/143 second signal`,
  options: { config: { type: 'string', short: 'c' } },
  async run({ values }) {
    const config = processConfig(typeof values.config === 'string' ? values.config : undefined);
    const { version } = manifest();
    const { close, log } = serviceLog({ ...config.log, version, stream: process.stdout });
    for (const warning of config.warnings) log.warn({ component: 'config' }, warning);
    const watched = watch(config, log, version);
    try {
      return await serve(config, watched, log);
    } catch (error) {
      const known = unexpected(error);
      log.fatal({ code: known.code, detail: known.detail, remedy: known.remedy }, known.message);
      return exitCodeOf(known);
    } finally {
      watched.telemetry.stop();
      watched.health.stop();
      await close();
    }
  },
};

interface Watched {
  readonly parts: Parts;
  readonly telemetry: Telemetry;
  readonly health: Health;
  readonly warn: (component: string, part: object) => void;
}

/** Makes the adapters and what watches over them. */
function watch(config: Config, log: Logger, version: string): Watched {
  let logs: readonly PartitionLog[] = [];
  const warn = warningLog(log);
  const parts: Parts = connect(config, {
    scheduler: steadyScheduler,
    report: (event) => {
      watchers.telemetry.report(event);
      watchers.health.report(event);
      // An index is looked at before its first request.
      if (event.type === 'bulk') warn('index', parts.index);
    },
    onSourceEvent: (event) => {
      watchers.telemetry.reportSource(event);
      watchers.health.reportSource(event);
    },
  });
  const { buffer, inFlight, store } = parts;
  const dependencies = [
    ...(config.source.type === 'kafka' ? ['kafka'] : []),
    'buffer',
    'store',
    'index',
  ] as DependencyName[];
  const watching = telemetry({
    log,
    dependencies,
    build: { version, revision: 'unknown' },
    gauges: { inFlight, logs: () => logs, bufferSize: () => buffer.size(), parkedCount: () => store.parkedCount() },
  });
  const judging = health({
    dependencies: watching.dependencies,
    required: dependencies.filter((name) => name !== 'buffer'),
    inFlight,
    logs: () => logs,
    unread: (one) => watching.unread(one),
    stuckMs: stuckMs(config),
  });
  const watchers = { parts, telemetry: watching, health: judging, warn };
  parts.source.assignments.subscribe(({ partitions }) => {
    logs = partitions;
    if (config.source.type === 'file') judging.assigned();
  });
  return watchers;
}

async function serve(config: Config, watched: Watched, log: Logger): Promise<number> {
  const { health: judging, parts, telemetry: watching, warn } = watched;
  // Before anything is waited for: the first process of a container does not hear of signals that nobody handles.
  const signals = stopSignals((signal) => {
    log.info({ component: 'run', signal }, 'stopping: draining what was read');
    judging.stopping();
  });
  const server = config.http.enabled
    ? await httpServer({ ...config.http, health: judging, registry: watching.registry }).start()
    : null;
  try {
    log.info({ component: 'run', port: server?.port ?? 0, ...typesOf(config) }, 'starting');
    await Promise.race([parts.store.open(), signals.asked]);
    if (signals.isAsked) {
      // Not waited for: a server that does not answer would hold up the end, and nothing was read.
      closeParts(parts).catch(() => undefined);
    } else {
      warn('store', parts.store);
      watching.report({ type: 'dependency', name: 'store', isUp: true, code: '', detail: '' });
      for (const name of ['buffer', 'index'] as const) greet(watched, name);
      const service = runService(parts, syncOptions(config));
      signals.asked.then(() => service.stop());
      refuseLeftovers(await service.done);
    }
    log.info({ component: 'run' }, 'stopped');
    return 0;
  } finally {
    signals.release();
    await server?.close();
  }
}

/** Input that ended is not done while the index lacks some of it. */
function refuseLeftovers({ parkedKeys }: Ending): void {
  if (parkedKeys === null || parkedKeys === 0) return;
  throw new SluiceError('E3003', `the input has ended, and the index has not taken ${parkedKeys} of its keys`, {
    detail: 'they are parked in the store',
    remedy: 'Remove what kept the index from taking them, and start again: parked keys go first',
    retriable: true,
  });
}

/** Asks a server once, so that readiness and the log know of it before the first change comes. Nothing waits for it. */
function greet({ parts, telemetry: { report }, warn }: Watched, name: 'buffer' | 'index'): void {
  parts[name].ping().then(
    () => {
      report({ type: 'dependency', name, isUp: true, code: '', detail: '' });
      warn(name, parts[name]);
    },
    (error) => {
      const { code, detail, message } = unexpected(error);
      report({ type: 'dependency', name, isUp: false, code, detail: code === 'E9001' ? detail : message });
    },
  );
}

function typesOf({ buffer, index, journal, source }: Config): object {
  return { source: source.type, buffer: buffer.type, journal: journal.type, index: index.type };
}
