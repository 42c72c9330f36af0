import { readdirSync, readFileSync } from 'node:fs';

/** We write the first when we spawn; a server behind a launcher writes the second itself. */
export const spawnedPidFile = (directory) => `${directory}/spawned.pid`;
export const serverPidFile = (directory) => `${directory}/server.pid`;

/** The processes of the server in a directory that live, the server's own last. */
export function processesIn(directory) {
  return [spawnedPidFile(directory), serverPidFile(directory)].flatMap((file) => {
    const pid = Number(readIfThere(file));
    return pid > 0 && isServerIn(directory, pid) ? [pid] : [];
  });
}

/** Every server's command line names its directory, so a pid that was used again is not taken for ours. */
function isServerIn(directory, pid) {
  const commandLine = readIfThere(`/proc/${pid}/cmdline`);
  if (commandLine !== '') return commandLine.includes(directory);
  // Empty: it has ended and is not reaped yet, or setpriv is just turning into the server.
  const state = stateIn(`/proc/${pid}/stat`);
  return state !== undefined && state !== 'Z' && state !== 'X';
}

/** Whether every thread of a process stands still, or has ended. */
export function isStopped(pid) {
  const states = readdirSync(`/proc/${pid}/task`).map((thread) => stateIn(`/proc/${pid}/task/${thread}/stat`));
  return states.every((state) => state === undefined || 'TtZX'.includes(state));
}

/** The letter that a file of /proc gives for the state of a process or thread; undefined once it is gone. */
function stateIn(file) {
  return readIfThere(file).split(') ').at(-1)?.[0];
}

function readIfThere(file) {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (error.code === 'ENOENT' || error.code === 'ESRCH') return '';
    throw error;
  }
}

export function signal(directory, name) {
  for (const pid of processesIn(directory)) {
    try {
      process.kill(pid, name);
    } catch (error) {
      if (error.code !== 'ESRCH') throw error;
    }
  }
}

export function isRunning(pid) {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return error.code === 'EPERM';
  }
}

/** Resident memory of a process in MiB. */
export function residentMb(pid) {
  const kilobytes = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Math.round(Number(kilobytes) / 1024);
}
