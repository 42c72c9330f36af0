#!/usr/bin/env node
import { commandLine } from './command-line.ts';

process.exitCode = await commandLine(process.argv.slice(2), {
  result: (line) => process.stdout.write(line.endsWith('\n') ? line : `${line}\n`),
  message: (line) => process.stderr.write(`${line}\n`),
});
