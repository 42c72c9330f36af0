// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the text of sources, not of this one
import type { Patch } from './patch.ts';

/** A version of the core in which a guard is switched off, alone or together with those that stand behind it. */
export interface Mutant {
  readonly name: string;
  /** What is switched off, for people. */
  readonly guard: string;
  readonly patches: readonly Patch[];
  /** Why other guards hide it, where the simulation alone cannot find it; the pair that follows must be found. */
  readonly masked?: string;
}

const BODY = 'src/sinks/elasticsearch-bulk-body.ts';
const POSITION = 'src/pipeline/position.ts';
const SETTLE = 'src/operators/settle.ts';
const UPKEEP = 'src/pipeline/upkeep.ts';
const RECOVERY = 'src/pipeline/recovery.ts';
const BACK_UP = 'src/operators/back-up.ts';
const CHECKS = 'src/sources/kafka-checks.ts';
const MEMORY = 'src/sinks/memory-buffer.ts';

const noAnchor: Patch = { file: CHECKS, from: 'anchor: isThere ? anchor : null };', to: 'anchor: null };' };
const noLogEnd: Patch = { file: CHECKS, from: 'stored.settled > high)', to: 'stored.settled < -1)' };
const noRange: Patch = { file: CHECKS, from: '(committed < low || committed > high))', to: 'committed < -1)' };
const noRecoveryAtAssignment: Patch = {
  file: RECOVERY,
  from: 'concat(of(0), interval(sweepMs, scheduler).pipe(takeUntil(until)))',
  to: 'interval(sweepMs, scheduler).pipe(takeUntil(until))',
};
const noSweep: Patch = {
  file: RECOVERY,
  from: 'concat(of(0), interval(sweepMs, scheduler).pipe(takeUntil(until)))',
  to: 'of(0)',
};
const earlyR: Patch = { file: UPKEEP, from: 'if (nowMs - candidateSinceMs < pauseLimitMs) return EMPTY;', to: '' };
const uncheckedR: Patch = {
  file: UPKEEP,
  from: 'deletesChecked: Math.max(deletesChecked, candidate),',
  to: 'deletesChecked: Math.max(deletesChecked, this.log.settled),',
};
const noTrailing: readonly Patch[] = [
  {
    file: UPKEEP,
    from: 'private trailing(ms: number): Observable<never> {',
    to: 'private trailing(ms: number): Observable<never> {\n    if (ms > 0) return EMPTY;',
  },
];
const noNews: Patch = { file: UPKEEP, from: 'this.afterForgetting(),', to: '' };
const noR: Patch = { file: UPKEEP, from: 'exhaustMap(() => this.advance())', to: 'exhaustMap(() => EMPTY)' };

export const MUTANTS: readonly Mutant[] = [
  {
    name: 'buffer-remove-any',
    guard: 'the buffer removes a key only when what it holds is not newer',
    patches: [
      { file: MEMORY, from: 'if (stored && stored.change.version <= version) forget', to: 'if (stored) forget' },
    ],
  },
  {
    name: 'buffer-set-any',
    guard: 'the buffer stores a change only when it is not older',
    patches: [{ file: MEMORY, from: 'if (stored && stored.change.version > change.version) continue;', to: '' }],
  },
  {
    name: 'index-unversioned',
    guard: 'version on index',
    patches: [{ file: BODY, from: '`{"index":${rest}', to: '`{"index":{"_id":${JSON.stringify(key)}}}\\n' }],
  },
  {
    name: 'delete-unversioned',
    guard: 'version on delete',
    patches: [{ file: BODY, from: '`{"delete":${rest}`', to: '`{"delete":{"_id":${JSON.stringify(key)}}}\\n`' }],
  },
  {
    name: 'position-any-order',
    guard: 'S is the end of a prefix',
    patches: [
      {
        file: POSITION,
        from: 'while (this.tickets[this.head]?.isFree) {',
        to: 'const last = this.tickets.findLastIndex((one) => one.isFree);\n    while (this.head <= last) {',
      },
    ],
  },
  {
    name: 'position-on-receipt',
    guard: 'S waits for anything at all',
    patches: [{ file: POSITION, from: 'return this.position;', to: 'return this.read;' }],
  },
  {
    name: 'position-unheld',
    guard: 'S waits for holds',
    patches: [
      { file: POSITION, from: 'return this.holds === 0 && this.isJournaled;', to: 'return this.isJournaled;' },
      { file: POSITION, from: 'if (this.isFree)\n      throw', to: 'if (this.holds < 0)\n      throw' },
    ],
  },
  {
    name: 'position-unjournaled',
    guard: 'S waits for the journal',
    patches: [{ file: POSITION, from: 'return this.holds === 0 && this.isJournaled;', to: 'return this.holds === 0;' }],
  },
  {
    name: 'superseded-forgotten',
    guard: 'an entry keeps the claim of its first unsettled change',
    patches: [
      {
        file: 'src/operators/entry.ts',
        from: 'ticket.firstOffset < held.firstOffset',
        to: 'ticket.firstOffset > held.firstOffset',
      },
      {
        file: 'src/operators/entry.ts',
        from: 'held.firstOffset <= ticket.firstOffset',
        to: 'held.firstOffset >= ticket.firstOffset',
      },
    ],
  },
  {
    name: 'park-unawaited',
    guard: 'a key is parked before S passes it',
    patches: [
      {
        file: 'src/pipeline/stages.ts',
        from: 'return from(store.park(keys)).pipe(finalize(ended));',
        to: 'from(store.park(keys)).pipe(finalize(ended)).subscribe({ error: () => undefined });\n    return of(undefined);',
      },
    ],
  },
  {
    name: 'unpark-any',
    guard: 'a parked key is removed only by a version that is not older',
    patches: [
      {
        file: SETTLE,
        from: '(keys) => store.unpark(keys)',
        to: '(keys) => store.unpark(keys.map((one) => ({ ...one, version: Number.MAX_SAFE_INTEGER })))',
      },
    ],
  },
  {
    name: 'unpark-never',
    guard: 'a settled key is un-parked',
    patches: [{ file: SETTLE, from: '...tellStore(parked, entries, (keys) => store.unpark(keys)),', to: '' }],
  },
  {
    name: 'no-recovery-at-assignment',
    guard: 'recovery at assignment',
    masked: 'the sweep does the same a little later',
    patches: [noRecoveryAtAssignment],
  },
  {
    name: 'no-sweep',
    guard: 'the sweep',
    patches: [noSweep],
  },
  {
    name: 'no-recovery',
    guard: 'recovery at assignment, and the sweep behind it',
    patches: [{ ...noRecoveryAtAssignment, to: 'EMPTY' }],
  },
  {
    name: 'retry-is-done',
    guard: 'items that failed for now are sent again',
    patches: [{ file: 'src/operators/outcome-groups.ts', from: 'failed.push(entry);', to: 'delivered.push(entry);' }],
  },
  {
    name: 'hold-is-done',
    guard: 'what an index did not take while it was held is sent again',
    patches: [{ file: 'src/operators/outcome-groups.ts', from: 'held.push(entry);', to: 'delivered.push(entry);' }],
  },
  {
    name: 'conflict-is-retried',
    guard: '409 is settled',
    patches: [
      {
        file: 'src/sinks/elasticsearch-outcomes.ts',
        from: "return { kind: 'done', conflict: true };",
        to: "return { kind: 'retry', errorType: type, isOverload: false, retryAfterMs: null };",
      },
    ],
  },
  {
    name: 'conflict-is-rejected',
    guard: '409 is no fault of the document',
    patches: [
      {
        file: 'src/sinks/elasticsearch-outcomes.ts',
        from: "return { kind: 'done', conflict: true };",
        to: "return { kind: 'reject', errorType: type, detail: type };",
      },
    ],
  },
  {
    name: 'parse-letter-unawaited',
    guard: 'a letter of a bad record before S passes',
    patches: [
      { file: 'src/operators/parse-changes.ts', from: '  batch.ticket.hold();\n', to: '' },
      { file: 'src/operators/parse-changes.ts', from: '    batch.ticket.release();\n', to: '' },
    ],
  },
  {
    name: 'letter-unawaited',
    guard: 'a letter of a refused document before S passes',
    patches: [
      {
        file: SETTLE,
        from: 'steps.push(lettersWritten(options, indexed));',
        to: 'lettersWritten(options, indexed).subscribe();',
      },
    ],
  },
  {
    name: 'letter-closing-unawaited',
    guard: 'letters are closed before S passes',
    patches: [
      {
        file: SETTLE,
        from: '...tellStore(letters, indexed.delivered, (keys) => store.closeLetters(keys)),',
        to: '',
      },
      {
        file: SETTLE,
        from: 'const told = [',
        to: `for (const call of tellStore(letters, indexed.delivered, (keys) => store.closeLetters(keys)))
    untilDone(call, scheduler).subscribe();
  const told = [`,
      },
    ],
  },
  {
    name: 'letters-never-closed',
    guard: 'a newer change closes the letters of its key',
    patches: [
      {
        file: SETTLE,
        from: '...tellStore(letters, indexed.delivered, (keys) => store.closeLetters(keys)),',
        to: '',
      },
    ],
  },
  {
    name: 'owed-known-at-assignment',
    guard: 'at an assignment the store may owe anything',
    patches: [
      { file: RECOVERY, from: 'options.parked.forget(partition);', to: '' },
      { file: RECOVERY, from: 'options.letters.forget(partition);', to: '' },
      { file: 'src/pipeline/owed-keys.ts', from: '{ versions: null, added: 0', to: '{ versions: new Map(), added: 0' },
    ],
  },
  {
    name: 'delete-row-optional',
    guard: 'the row of a delete is durable before S passes',
    patches: [
      {
        file: BACK_UP,
        from: "this.options.deletesMustBeDurable ? batch.changes.filter((change) => change.op === 'delete') : []",
        to: '[]',
      },
    ],
  },
  {
    name: 'gap-optional',
    guard: 'what is not in the journal is listed before S passes',
    patches: [{ file: BACK_UP, from: "this.options.changes === 'all' ? gapsOf(", to: 'false ? gapsOf(' }],
  },
  {
    name: 'r-without-z',
    guard: 'R moves only Z after S has',
    patches: [earlyR],
    masked: 'checks that go by time and by news of the index',
  },
  {
    name: 'r-without-z-alone',
    guard: 'R moves only Z after S has; and the checks that go by time',
    patches: [earlyR, ...noTrailing],
  },
  {
    name: 'r-unchecked',
    guard: 'R passes only what its check looked at',
    patches: [uncheckedR],
    masked: 'checks that go by time and by news of the index',
  },
  {
    name: 'r-unchecked-alone',
    guard: 'R passes only what its check looked at; and the other checks',
    patches: [uncheckedR, ...noTrailing, noNews],
  },
  {
    name: 'no-r',
    guard: 'the last check, by R',
    patches: [noR],
    masked: 'checks that go by time and by news of the index',
  },
  { name: 'no-r-alone', guard: 'the last check, by R; and the checks that go by time', patches: [noR, ...noTrailing] },
  {
    name: 'no-news',
    guard: 'a check when the index may have forgotten',
    patches: [noNews],
    masked: 'R checks the same later',
  },
  { name: 'no-delete-checks', guard: 'every check of deletes', patches: [noR, noNews, ...noTrailing] },
  { name: 'no-anchor', guard: 'the anchor is still the same record', patches: [noAnchor] },
  {
    name: 'no-log-end',
    guard: 'the log does not end below what was settled',
    patches: [noLogEnd],
    masked: 'the anchor, and the range of the committed offset',
  },
  {
    name: 'no-range',
    guard: 'the committed offset lies inside the log',
    patches: [noRange],
    masked: 'the fetch is out of range, and the anchor',
  },
  { name: 'no-log-checks', guard: 'anchor, log end and range', patches: [noAnchor, noLogEnd, noRange] },
  {
    name: 'no-count-check',
    guard: 'the number of partitions is the registered one',
    patches: [{ file: CHECKS, from: 'if (found === partitions) return;', to: 'if (found > 0) return;' }],
  },
  {
    name: 'epoch-of-now',
    guard: 'records below the boundary keep their epoch',
    patches: [
      {
        file: 'src/sources/topic-epochs.ts',
        from: 'return (offset) => own.find(({ fromOffset }) => offset >= fromOffset)?.epoch ?? oldest.epoch - 1;',
        to: 'return () => epoch;',
      },
    ],
  },
  {
    name: 'epoch-of-old',
    guard: 'records above the boundary have the new epoch',
    patches: [
      {
        file: 'src/sources/topic-epochs.ts',
        from: 'if (oldest === undefined) return () => epoch;',
        to: 'if (epoch >= 0) return () => 0;',
      },
    ],
  },
  {
    name: 'no-pairing',
    guard: 'one index, one table, one topic',
    patches: [{ file: 'src/pipeline/pairing.ts', from: 'if (isSame) return null;', to: 'if (held) return null;' }],
  },
  {
    name: 'unordered-key-change',
    guard: 'a delete that has no order in its partition is a letter',
    patches: [{ file: 'src/formats/canal-rows.ts', from: 'partitions > 1 &&', to: 'partitions > 1e9 &&' }],
  },
  {
    name: 'record-over-two-windows',
    guard: 'a record is folded as one unit',
    patches: [
      {
        file: 'src/operators/window-loop.ts',
        from: '    this.fold.add(batch);\n',
        to: `    const half = batch.changes.length >> 1;
    batch.ticket.hold();
    this.fold.add({ ...batch, changes: batch.changes.slice(0, half), load: { bytes: 0, changes: 0 } });
    this.close('cap');
    this.fold.add({ ...batch, changes: batch.changes.slice(half) });
`,
      },
    ],
  },
  {
    name: 'found-first-answer-settles',
    guard: 'found: a batch is settled when the last durable call has succeeded',
    patches: [{ file: SETTLE, from: 'for (const call of told) steps', to: 'for (const call of told.slice(-1)) steps' }],
  },
  {
    name: 'found-unpark-before-closing',
    guard: 'found: a key stays parked until its letters are closed',
    patches: [{ file: SETTLE, from: 'for (const call of told) steps', to: 'for (const call of told.reverse()) steps' }],
  },
  {
    name: 'found-unpark-before-letter',
    guard: 'found: a refused key stays parked until its letter is durable',
    patches: [
      { file: SETTLE, from: 'const steps: Observable<never>[] = [];', to: 'let steps: Observable<never>[] = [];' },
      { file: SETTLE, from: '  return steps;\n', to: '  steps = [...steps].reverse();\n  return steps;\n' },
    ],
  },
  {
    name: 'found-close-while-writing',
    guard: 'found: a letter that is being written is closed afterwards',
    patches: [{ file: SETTLE, from: 'isEarly() ?', to: 'isEarly() && false ?' }],
  },
  {
    name: 'found-count-while-writing',
    guard: 'found: a count of letters is older than what is being written',
    patches: [
      { file: 'src/pipeline/owed-keys.ts', from: 'owed.writing.size > 0 ? Number.NaN : owed.added', to: 'owed.added' },
    ],
  },
  {
    name: 'found-place-of-first',
    guard: 'found: an entry is of the place of its newest change',
    patches: [{ file: 'src/operators/entry.ts', from: '  entry.place = place;\n', to: '  void place;\n' }],
  },
  {
    name: 'found-topics-merged',
    guard: 'found: changes of two topics never replace each other',
    patches: [
      {
        file: 'src/operators/table-fold.ts',
        from: 'topic === undefined || fold.topic === topic',
        to: 'topic !== null || fold.topic === topic',
      },
    ],
  },
  {
    name: 'found-check-astray',
    guard: 'found: deletes from a wrong topic are not checked',
    patches: [
      {
        file: 'src/pipeline/delete-checks.ts',
        from: '(refusal === null ? untilDone',
        to: '(refusal !== 0 ? untilDone',
      },
    ],
  },
  {
    name: 'found-partitions-of-now',
    guard: 'found: a former key is placed by the partitions there were',
    patches: [
      {
        file: 'src/sources/topic-epochs.ts',
        from: 'return next?.partitionsBefore ?? partitions;',
        to: 'return partitions;',
      },
    ],
  },
];
