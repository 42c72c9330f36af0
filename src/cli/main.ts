#!/usr/bin/env -S node --max-old-space-size=2047 --max-semi-space-size=16 --heap-growing-percent=130 --no-parallel-scavenge
import { commandLine } from './command-line.ts';

/** How long the process waits, once its work is done, for what is still open. */
const LINGER_MS = 500;

// A reader that has seen enough (`| head`) must not end the work; there is only nobody to tell of it any more.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);

process.exitCode = await commandLine(process.argv.slice(2), {
  result: (line) => process.stdout.write(line.endsWith('\n') ? line : `${line}\n`),
  message: (line) => process.stderr.write(`${line}\n`),
});

// Something still open now waits for a server that hangs, and nothing is lost with it. Else this never runs.
setTimeout(() => process.exit(), LINGER_MS).unref();
