import { type MonoTypeOperatorFunction, map, type OperatorFunction, pipe, tap } from 'rxjs';
import type { ChangeBatch } from '../src/pipeline/change.ts';
import { wordsOf } from './change-words.ts';
import { type WordLog, wordLog } from './word-log.ts';

/**
 * Batches in words, through an operator of a user's own, and on in words. What follows settles each batch as it comes.
 * Stops with an error where the operator breaks the law: one batch for one batch, under the same ticket, at the same place.
 */
export function wordsThrough(
  own: MonoTypeOperatorFunction<ChangeBatch>,
  log: WordLog = wordLog(),
): OperatorFunction<string, string> {
  const expected: ChangeBatch[] = [];
  return pipe(
    map(log.read),
    tap((batch) => expected.push(batch)),
    own,
    tap((batch) => {
      const { load, partition, ticket, topic } = expected.shift() ?? {};
      const isKept =
        batch.ticket === ticket && batch.topic === topic && batch.partition === partition && batch.load === load;
      if (!isKept) throw new Error('a batch came out under another ticket or header');
      log.inFlight.add(-batch.load.bytes, -batch.load.changes);
      batch.ticket.release();
    }),
    map(({ changes }) => wordsOf(changes)),
  );
}
