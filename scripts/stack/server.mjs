import { spawn } from 'node:child_process';
import { closeSync, existsSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { isStopped, processesIn, serverPidFile, signal, spawnedPidFile } from './processes.mjs';
import { hopeless, until } from './until.mjs';

/** Beside three test files on a slow machine Elasticsearch has taken more than 120. */
const READY_WITHIN_SECONDS = 300;

/**
 * One server. All it knows is in `spec`, plain data that goes into stack.json, so any process can stop, kill and
 * start again a server that another process started.
 */
export class Server {
  #ready;
  #keep;

  /**
   * @param {object} spec see ServerSpec in index.d.mts
   * @param {(spec: object) => unknown} ready throws or answers falsy until the server serves
   * @param {boolean} keep a process that this object starts may outlive ours
   */
  constructor(spec, ready, keep) {
    this.spec = spec;
    this.#ready = ready;
    this.#keep = keep;
    this.name = spec.name;
    this.host = spec.host;
    this.port = spec.port;
    Object.assign(this, spec.addresses);
  }

  /** The server's own process, which is not always the one that was spawned; 0 when none runs. */
  get pid() {
    return processesIn(this.spec.directory).at(-1) ?? 0;
  }

  /** Starts the server with its port and its data, unless it runs, and waits until it is ready. */
  async start() {
    const { name, directory } = this.spec;
    const log = `${directory}/log`;
    if (this.pid === 0) await this.#spawn(log);
    await until(`${name} ready`, READY_WITHIN_SECONDS, () => {
      if (this.pid === 0) throw hopeless(`${name} ended before it was ready: ${lastLines(log)}`);
      return this.#ready(this.spec);
    });
  }

  /** Asks the server to end, and waits until it has. */
  async stop() {
    let askAt = 0;
    await until(`${this.name} stopped`, 60, () => {
      if (Date.now() >= askAt) {
        this.#signal('SIGTERM');
        this.#signal('SIGCONT'); // a paused process ends only once it goes on
        askAt = Date.now() + 1000; // again, since Redis says no for good while it writes its first file
      }
      return this.pid === 0;
    });
  }

  /** Ends the server on the spot, as a crash would, and waits until it is gone. */
  async kill() {
    this.#signal('SIGKILL');
    await until(`${this.name} killed`, 30, () => this.pid === 0);
  }

  /**
   * Stops the server's clock: connections stay open and nothing answers. Waits until each of its threads stands,
   * since the signal returns before: one that runs on the other core may still answer a request or two.
   */
  async pause() {
    const { pid } = this;
    if (pid === 0) return;
    process.kill(pid, 'SIGSTOP');
    await until(`${this.name} paused`, 10, () => isStopped(pid));
  }

  resume() {
    if (this.pid) process.kill(this.pid, 'SIGCONT');
  }

  /** Kills the server and removes its data. */
  async remove() {
    await this.kill();
    rmSync(this.spec.directory, { recursive: true, force: true });
  }

  /** The same for an exit handler, in which nothing can be awaited. */
  removeNow() {
    this.#signal('SIGKILL');
    const pause = new Int32Array(new SharedArrayBuffer(4));
    for (let round = 0; round < 200 && this.pid !== 0; round++) Atomics.wait(pause, 0, 0, 10);
    rmSync(this.spec.directory, { recursive: true, force: true, maxRetries: 3 });
  }

  async #spawn(log) {
    const { directory, command, environment, user } = this.spec;
    for (const file of [spawnedPidFile(directory), serverPidFile(directory)]) rmSync(file, { force: true });
    if (existsSync(log)) renameSync(log, `${log}.previous`);
    const printed = openSync(log, 'w');
    // setpriv gives up root where the server wants that and, for a server that must not outlive us, has the
    // kernel kill it with us: no exit handler runs when we are killed outright.
    const privileges = user ? ['--reuid', user, '--regid', user, '--init-groups'] : [];
    const lifetime = this.#keep ? [] : ['--pdeathsig', 'KILL'];
    const child = spawn('setpriv', [...privileges, ...lifetime, ...command], {
      cwd: directory,
      env: { PATH: process.env.PATH, HOME: directory, ...environment },
      stdio: ['ignore', printed, printed],
      detached: this.#keep,
    });
    closeSync(printed);
    await new Promise((resolve, reject) => child.once('spawn', resolve).once('error', reject));
    child.unref();
    writeFileSync(spawnedPidFile(directory), `${child.pid}`);
  }

  #signal(name) {
    signal(this.spec.directory, name);
  }
}

function lastLines(file) {
  const lines = readFileSync(file, 'utf8').split('\n');
  const messages = lines.filter((line) => /^\S/.test(line)); // not the frames of stack traces
  return messages.slice(-8).join(' | ') || 'it printed nothing';
}
