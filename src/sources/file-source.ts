import { createReadStream } from 'node:fs';
import { addAbortSignal, type Readable } from 'node:stream';
import { Observable, type SchedulerLike } from 'rxjs';
import { SluiceError } from '../pipeline/errors.ts';
import type { RecordSource } from '../pipeline/ports.ts';
import type { InFlight } from '../pipeline/position.ts';
import { FileReading } from './file-reading.ts';

export interface FileSourceOptions {
  /** A file, or `-` for standard input. */
  readonly path: string;
  /** Topic of lines that name none. Default `file`. */
  readonly topic?: string;
  readonly inFlight: InFlight;
  readonly scheduler: SchedulerLike;
  /** Records of a batch at most. Default 500. */
  readonly sliceRecords?: number;
  /** Longest line in bytes; a longer one is cut to its first 64 KiB, so that it becomes a dead letter. Default 32 MiB. */
  readonly maxLineBytes?: number;
  /** Partitions of every topic. Without it a file is read once before to count them, and standard input has 1. */
  readonly partitions?: number;
  /** Read for `-` instead of standard input. */
  readonly input?: Readable;
}

export interface FileSource extends RecordSource {
  /** Number of partitions of a topic: as given, or else one more than the highest seen. */
  partitionCount(topic: string): number;
}

/**
 * Reads NDJSON: capture lines `{topic, partition, offset, timestamp, key, value}`, and raw values, whose offset is their
 * line number in partition 0. Each line is told apart by itself. Completes at the end of input.
 *
 * Delivery: nothing is committed, so a new start reads everything again; versions come out the same, so that changes
 * nothing. `records` can be subscribed once. It errs with E2003 when an offset repeats or goes back within its partition,
 * E2004 when the file cannot be read.
 *
 * @example
 * const source = fileSource({ path: 'changes.ndjson', inFlight, scheduler: asyncScheduler });
 */
export function fileSource(options: FileSourceOptions): FileSource {
  const reading = new FileReading(options, (signal) => chunksOf(options, signal));
  return {
    records: new Observable((subscriber) => reading.start(subscriber)),
    assignments: reading.assignments,
    stop: () => reading.stop(),
    commit: async () => undefined,
    close: async () => reading.close(),
    partitionCount: (topic) => reading.partitionCount(topic),
  };
}

/** An abort destroys the stream: a read of standard input may otherwise wait for ever. */
async function* chunksOf({ path, input }: FileSourceOptions, signal: AbortSignal): AsyncGenerator<Buffer> {
  try {
    const stream = path === '-' ? (input ?? process.stdin) : createReadStream(path, { highWaterMark: 256 << 10 });
    yield* addAbortSignal(signal, stream);
  } catch (error) {
    throw new SluiceError('E2004', `${path === '-' ? 'standard input' : path} cannot be read`, {
      detail: (error as NodeJS.ErrnoException).code ?? '',
      remedy: 'Check source.path and the rights of this user',
      cause: error,
    });
  }
}
