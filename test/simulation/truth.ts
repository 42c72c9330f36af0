/** What one record asks for one key. Bad rows become letters when they are read; poison is refused by the index. */
export interface Asked {
  readonly table: string;
  readonly key: string;
  readonly kind: 'upsert' | 'delete' | 'bad' | 'poison' | 'unordered';
  /** The document, as text; empty for a delete. */
  readonly document: string;
}

export interface TruthChange extends Asked {
  readonly topic: string;
  /** How often the topic was made before the one that holds this record. */
  readonly incarnation: number;
  readonly partition: number;
  readonly offset: number;
  version: number;
}

interface Boundary {
  readonly partition: number;
  readonly epoch: number;
  readonly fromOffset: number;
}

const EPOCH = 2 ** 44;

/**
 * What the log says, and nothing else: every change with the version it must have. Epochs are what the operator did, not
 * what sluice registered.
 */
export class Truth {
  readonly changes: TruthChange[] = [];
  /** Changes of a key as they were written; only the last of a record counts. */
  private readonly byKey = new Map<string, TruthChange[]>();
  private readonly detours = new Set<string>();
  private readonly byPlace = new Map<string, TruthChange[]>();
  private readonly topics = new Map<string, { epoch: number; incarnation: number; boundaries: Boundary[] }>();

  topic(name: string) {
    let topic = this.topics.get(name);
    if (topic === undefined) {
      topic = { epoch: 0, incarnation: 0, boundaries: [] };
      this.topics.set(name, topic);
    }
    return topic;
  }

  /** Takes up a record. Of several things asked for one key the last counts. */
  note(topic: string, partition: number, offset: number, asked: readonly Asked[]): void {
    const last = new Map<string, Asked>();
    for (const one of asked) {
      const name = `${one.table}\n${one.key}${one.kind === 'unordered' ? '\n!' : ''}`;
      last.delete(name);
      last.set(name, one);
    }
    const { incarnation } = this.topic(topic);
    for (const one of last.values()) {
      const change = {
        ...one,
        topic,
        incarnation,
        partition,
        offset,
        version: this.versionAt(topic, partition, offset),
      };
      this.changes.push(change);
      listOf(this.byKey, `${one.table}\n${one.key}`).push(change);
      listOf(this.byPlace, `${topic}/${partition}/${incarnation}`).push(change);
    }
  }

  /** The topic is made again: all that will be in it is of the next epoch. */
  recreate(topic: string): void {
    const known = this.topic(topic);
    known.epoch += 1;
    known.incarnation += 1;
    known.boundaries = [];
  }

  /** Partitions were added and the operator began an epoch at the ends of the log. */
  beginEpoch(topic: string, ends: readonly number[]): void {
    const known = this.topic(topic);
    known.epoch += 1;
    const { boundaries, epoch } = known;
    boundaries.push(...ends.map((fromOffset, partition) => ({ partition, epoch, fromOffset })));
    for (const change of this.changes) {
      if (change.topic === topic && change.incarnation === known.incarnation)
        change.version = this.versionAt(topic, change.partition, change.offset);
    }
  }

  /** What went to another table's topic by mistake counts for nothing: it is sent again to its own. */
  forgetDetour(table: string, topic: string): void {
    this.detours.add(`shop.${table}\n${topic}`);
    for (const list of [...this.byKey.values(), ...this.byPlace.values()]) {
      const kept = list.filter((one) => one.table !== table || one.topic !== topic);
      list.splice(0, list.length, ...kept);
    }
  }

  isDetour(table: string, topic: string): boolean {
    return this.detours.has(`${table}\n${topic}`);
  }

  versionAt(topic: string, partition: number, offset: number): number {
    const { boundaries, epoch } = this.topic(topic);
    const own = boundaries.filter((one) => one.partition === partition);
    const reached = own.filter(({ fromOffset }) => fromOffset <= offset).map((one) => one.epoch);
    const before = epoch - own.length;
    return (reached.length > 0 ? Math.max(...reached) : before) * EPOCH + offset + 1;
  }

  /** Changes of one partition as it is now, with from ≤ offset < to. */
  between(topic: string, partition: number, from: number, to: number): TruthChange[] {
    const { incarnation } = this.topic(topic);
    const all = this.byPlace.get(`${topic}/${partition}/${incarnation}`) ?? [];
    return all.filter(({ offset }) => offset >= from && offset < to);
  }

  keys(): Iterable<string> {
    return this.byKey.keys();
  }

  /** What was asked for a key, in the order in which it was written. Versions have to come out in the same order. */
  of(name: string): readonly TruthChange[] {
    return this.byKey.get(name) ?? [];
  }
}

function listOf<T>(map: Map<string, T[]>, name: string): T[] {
  let list = map.get(name);
  if (list === undefined) {
    list = [];
    map.set(name, list);
  }
  return list;
}
