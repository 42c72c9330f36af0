import type { JournalGap } from '../pipeline/ports.ts';
import { insertStatement, type SqlDatabase } from './store-sql.ts';

/** A gap that touches one of the same reason prolongs it, so an outage is one row however long it lasts. */
export async function recordGaps(control: SqlDatabase, gaps: readonly JournalGap[]): Promise<void> {
  if (gaps.length === 0) return;
  const { dialect } = control;
  const insert = insertStatement(
    dialect,
    'journal_gaps',
    ['topic', 'partition_no', 'reason', 'from_offset', 'to_offset'],
    'topic, partition_no, reason, from_offset',
    [
      `to_offset = CASE WHEN ${dialect.proposed('to_offset')} > to_offset THEN ${dialect.proposed('to_offset')} ELSE to_offset END`,
    ],
  );
  await control.transaction(async (session) => {
    for (const { topic, partition, reason, from, to } of [...gaps].sort((a, b) => a.from - b.from)) {
      const { affected } = await session.run(
        `UPDATE journal_gaps SET to_offset = CASE WHEN to_offset < ? THEN ? ELSE to_offset END
         WHERE topic = ? AND partition_no = ? AND reason = ? AND from_offset <= ? AND to_offset >= ?`,
        [to, to, topic, partition, reason, from, from - 1],
      );
      if (affected === 0) await session.run(insert.text(1), [topic, partition, reason, from, to]);
    }
  });
}

/** All gaps, by partition and offset. */
export async function readGaps(control: SqlDatabase): Promise<JournalGap[]> {
  const { rows } = await control.run(
    `SELECT topic, partition_no, reason, from_offset, to_offset FROM journal_gaps ORDER BY topic, partition_no, from_offset`,
    [],
  );
  return rows.map((row) => ({
    topic: String(row.topic),
    partition: Number(row.partition_no),
    from: Number(row.from_offset),
    to: Number(row.to_offset),
    reason: String(row.reason),
  }));
}
