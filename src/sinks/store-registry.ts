import type { MonitorRow, StoredPosition, TopicRegistration } from '../pipeline/ports.ts';
import { timeText } from './store-rows.ts';
import { insertRows, insertStatement, type SqlDatabase, type SqlRow, type SqlValue } from './store-sql.ts';

const EPOCH_SIZE = 2 ** 44;

/** The epoch that an offset of a partition belongs to. */
export function epochAt(registration: TopicRegistration | null, partition: number, offset: number): number {
  const boundaries = registration?.boundaries.filter((boundary) => boundary.partition === partition) ?? [];
  if (registration === null || boundaries.length === 0) return registration?.epoch ?? 0;
  const reached = boundaries.filter((boundary) => boundary.fromOffset <= offset).map((boundary) => boundary.epoch);
  if (reached.length > 0) return Math.max(...reached);
  return Math.max(0, Math.min(...boundaries.map((boundary) => boundary.epoch)) - 1);
}

export async function readRegistration(database: SqlDatabase, topic: string): Promise<TopicRegistration | null> {
  const { rows } = await database.run('SELECT partitions, epoch, boundaries FROM stream_registry WHERE topic = ?', [
    topic,
  ]);
  const row = rows[0];
  if (row === undefined) return null;
  return {
    topic,
    partitions: Number(row.partitions),
    epoch: Number(row.epoch),
    boundaries: JSON.parse(String(row.boundaries)),
  };
}

/** Makes the function that registers a topic: a registration of an older epoch changes nothing. */
export function topicRegistrar(database: SqlDatabase) {
  const { proposed } = database.dialect;
  const columns = ['topic', 'partitions', 'boundaries', 'epoch'];
  // The epoch, which the others are compared by, comes last.
  const assignments = columns
    .slice(1)
    .map((column) => `${column} = CASE WHEN ${proposed('epoch')} >= epoch THEN ${proposed(column)} ELSE ${column} END`);
  const statement = insertStatement(database.dialect, 'stream_registry', columns, 'topic', assignments);
  return ({ topic, partitions, epoch, boundaries }: TopicRegistration): Promise<void> => {
    return insertRows(database, statement, [topic, partitions, JSON.stringify(boundaries), epoch]);
  };
}

/** Claims a pairing and resolves with the one in force. */
export async function pairIndex(database: SqlDatabase, index: string, table: string, topic: string) {
  const wanted = { index, table, topic };
  const columns = ['index_name', 'table_name', 'topic'];
  const insert = insertStatement(database.dialect, 'index_pairings', columns, 'index_name');
  return database.transaction(async (session) => {
    // Where a claim stands, by index or by table, the insert changes nothing and the claim is what is read.
    await session.run(insert.text(1), [index, table, topic]);
    const { rows } = await session.run(
      'SELECT index_name, table_name, topic FROM index_pairings WHERE index_name = ? OR table_name = ?',
      [index, table],
    );
    return pairingAgainst(wanted, rows.map(pairingOf));
  });
}

interface Pairing {
  readonly index: string;
  readonly table: string;
  readonly topic: string;
}

function pairingOf(row: SqlRow): Pairing {
  return { index: String(row.index_name), table: String(row.table_name), topic: String(row.topic) };
}

function pairingAgainst(wanted: Pairing, standing: readonly Pairing[]): Pairing {
  return (
    standing.find(
      ({ index, table, topic }) => index !== wanted.index || table !== wanted.table || topic !== wanted.topic,
    ) ?? wanted
  );
}

export async function readPositions(database: SqlDatabase, topic: string): Promise<StoredPosition[]> {
  const { rows } = await database.run('SELECT * FROM stream_positions WHERE topic = ? ORDER BY partition_no', [topic]);
  return rows.map((row) => ({
    topic,
    partition: Number(row.partition_no),
    settled: Number(row.settled),
    anchor:
      row.anchor_offset === null
        ? null
        : {
            offset: Number(row.anchor_offset),
            timestampMs: Number(row.anchor_time_ms),
            hash: String(row.anchor_hash),
          },
    deletesChecked: Number(row.deletes_checked),
    candidate: Number(row.candidate),
    candidateSinceMs: Number(row.candidate_since_ms),
  }));
}

const ANCHOR = ['anchor_offset', 'anchor_time_ms', 'anchor_hash'];
const DELETES = ['deletes_checked', 'candidate', 'candidate_since_ms'];
const POSITION = [
  'topic',
  'partition_no',
  'settled',
  ...ANCHOR,
  ...DELETES,
  'updated_time',
  'settled_place',
  'deletes_place',
];

/** Makes the function that saves positions. Each half of a position (settled, deletes checked) only moves forward. */
export function positionSaver(database: SqlDatabase) {
  const { proposed } = database.dialect;
  const forward = (place: string, column: string, value = proposed(column)) =>
    `${column} = CASE WHEN ${proposed(place)} >= ${place} THEN ${value} ELSE ${column} END`;
  // A position that moved over records without an anchor keeps the one it has, unless that is of another epoch.
  const epoch = (place: string) => `${place} - ${place} % ${EPOCH_SIZE}`;
  const kept = (column: string) =>
    `CASE WHEN ${proposed('anchor_offset')} IS NOT NULL OR ${epoch(proposed('settled_place'))} > ${epoch('settled_place')}
       THEN ${proposed(column)} ELSE ${column} END`;
  const saving = insertStatement(database.dialect, 'stream_positions', POSITION, 'topic, partition_no', [
    ...ANCHOR.map((column) => forward('settled_place', column, kept(column))),
    ...DELETES.map((column) => forward('deletes_place', column)),
    ...['settled', 'updated_time', 'settled_place'].map((column) => forward('settled_place', column)),
    forward('deletes_place', 'deletes_place'),
  ]);
  const timing = insertStatement(
    database.dialect,
    'position_times',
    ['topic', 'partition_no', 'minute', 'reached_time', 'settled_place'],
    'topic, partition_no, minute',
    ['reached_time', 'settled_place'].map(
      (column) =>
        `${column} = CASE WHEN ${proposed('settled_place')} > settled_place THEN ${proposed(column)} ELSE ${column} END`,
    ),
  );
  return async (positions: readonly StoredPosition[]): Promise<void> => {
    const registrations = new Map<string, TopicRegistration | null>();
    for (const { topic } of positions)
      if (!registrations.has(topic)) registrations.set(topic, await readRegistration(database, topic));
    const nowMs = Date.now();
    const saved: SqlValue[] = [];
    const timed: SqlValue[] = [];
    for (const position of [...positions].sort(byPartition)) {
      const { topic, partition, settled, anchor, deletesChecked } = position;
      const placeAt = (offset: number) =>
        epochAt(registrations.get(topic) ?? null, partition, offset) * EPOCH_SIZE + offset;
      saved.push(topic, partition, settled, anchor?.offset ?? null, anchor?.timestampMs ?? null, anchor?.hash ?? null);
      saved.push(deletesChecked, position.candidate, position.candidateSinceMs, timeText(nowMs));
      saved.push(placeAt(settled), placeAt(deletesChecked));
      timed.push(topic, partition, Math.floor(nowMs / 60_000), timeText(nowMs), placeAt(settled));
    }
    await insertRows(database, saving, saved);
    await insertRows(database, timing, timed);
  };
}

function byPartition(a: StoredPosition, b: StoredPosition): number {
  return a.topic === b.topic ? a.partition - b.partition : a.topic < b.topic ? -1 : 1;
}

const MONITOR = [
  'table_name',
  'sync_batch_id',
  'sync_count',
  'success_count',
  'failure_count',
  'start_time',
  'end_time',
  'status',
  'error_message',
];

/** Makes the function that adds `sync_monitor` rows: the same table and batch again changes nothing. */
export function monitorWriter(database: SqlDatabase) {
  const statement = insertStatement(database.dialect, 'sync_monitor', MONITOR, 'sync_batch_id, table_name');
  return (rows: readonly MonitorRow[]): Promise<void> => {
    const values = rows.flatMap((row): SqlValue[] => [
      row.table.qualified,
      row.batchId,
      row.syncCount,
      row.successCount,
      row.failureCount,
      timeText(row.startMs),
      timeText(row.endMs),
      row.status,
      row.errorMessage,
    ]);
    return insertRows(database, statement, values);
  };
}
