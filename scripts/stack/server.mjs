import { spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { hopeless, until } from './until.mjs';

/**
 * One running server. All it knows is in `spec`, plain data that goes into stack.json, so any process can stop,
 * kill and start again a server that another process started.
 */
export class Server {
  #spec;
  #ready;
  #owned;

  /**
   * @param {object} spec see index.d.mts
   * @param {(spec: object, startedAt: object) => unknown} ready throws or answers falsy until the server serves
   * @param {boolean} owned the server ends with this process, whatever ends it
   */
  constructor(spec, ready, owned) {
    this.#spec = spec;
    this.#ready = ready;
    this.#owned = owned;
    Object.assign(this, spec.addresses);
  }

  get spec() {
    return this.#spec;
  }
  get name() {
    return this.#spec.name;
  }
  get host() {
    return this.#spec.host;
  }
  get port() {
    return this.#spec.port;
  }

  /** The server's own process, which is not always the one that was spawned; 0 when it does not run. */
  get pid() {
    return this.#pids().at(-1) ?? 0;
  }

  async start() {
    const { name, directory, command, environment, user } = this.#spec;
    const log = `${directory}/log`;
    if (this.pid === 0) {
      for (const file of this.#pidFiles()) rmSync(file, { force: true });
      const stdout = openSync(log, 'a');
      // setpriv gives up root where the server wants it and, for a server that must not outlive us, asks the
      // kernel to kill it with us: that holds even if we are killed outright.
      const child = spawn(
        'setpriv',
        [
          ...(user ? ['--reuid', user, '--regid', user, '--init-groups'] : []),
          ...(this.#owned ? ['--pdeathsig', 'KILL'] : []),
          ...command,
        ],
        {
          cwd: directory,
          env: { PATH: process.env.PATH, HOME: directory, ...environment },
          stdio: ['ignore', stdout, stdout],
          detached: !this.#owned,
        },
      );
      closeSync(stdout);
      await new Promise((resolve, reject) => child.once('spawn', resolve).once('error', reject));
      child.unref();
      writeFileSync(this.#pidFiles()[0], `${child.pid}`);
    }
    await until(`${name} ready`, 120, async () => {
      if (this.pid === 0) throw hopeless(`${name} ended before it was ready: ${lastLines(log)}; see ${log}`);
      return this.#ready(this.#spec);
    });
  }

  /** Asks the server to end, and waits until it has. */
  async stop() {
    this.#signal('SIGTERM');
    this.#signal('SIGCONT'); // a paused process ends only once it goes on
    await until(`${this.name} stopped`, 60, () => this.pid === 0);
  }

  /** Ends the server on the spot, as a crash would, and waits until it is gone. */
  async kill() {
    this.#signal('SIGKILL');
    await until(`${this.name} killed`, 30, () => this.pid === 0);
  }

  /** Stops the server's clock: connections stay open and nothing answers. */
  pause() {
    if (this.pid) process.kill(this.pid, 'SIGSTOP');
  }

  resume() {
    if (this.pid) process.kill(this.pid, 'SIGCONT');
  }

  /** Kills the server and removes its data. */
  async remove() {
    await this.kill();
    rmSync(this.#spec.directory, { recursive: true, force: true });
  }

  /** The same for an exit handler, in which nothing can be awaited. */
  removeNow() {
    this.#signal('SIGKILL');
    const pause = new Int32Array(new SharedArrayBuffer(4));
    for (let round = 0; round < 200 && this.pid !== 0; round++) Atomics.wait(pause, 0, 0, 10);
    rmSync(this.#spec.directory, { recursive: true, force: true, maxRetries: 3 });
  }

  #signal(signal) {
    for (const pid of this.#pids()) {
      try {
        process.kill(pid, signal);
      } catch (error) {
        if (error.code !== 'ESRCH') throw error;
      }
    }
  }

  #pidFiles() {
    return [`${this.#spec.directory}/pid`, ...(this.#spec.pidFile ? [this.#spec.pidFile] : [])];
  }

  /** The processes of this server that live. Every command names its directory, so a reused pid is not taken for ours. */
  #pids() {
    return this.#pidFiles().flatMap((file) => {
      try {
        const pid = Number(readFileSync(file, 'utf8'));
        // A zombie's command line is empty.
        const isOurs = readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(this.#spec.directory);
        return isOurs ? [pid] : [];
      } catch (error) {
        if (error.code === 'ENOENT' || error.code === 'ESRCH') return [];
        throw error;
      }
    });
  }
}

function lastLines(file) {
  const lines = readFileSync(file, 'utf8').trim().split('\n');
  return lines.slice(-3).join(' | ') || 'it said nothing';
}
