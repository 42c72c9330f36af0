/** What a batch is charged until the position has passed it: its ticket and its places in queues. */
const TICKET_BYTES = 512;
/** Part of the in-flight limit below which a source that has stopped goes on. */
const ROOM = 3 / 4;

/** Where the last record of a batch is and what it says: enough to see later that the log is still the same log. */
export interface Anchor {
  readonly offset: number;
  readonly timestampMs: number;
  /** MD5 of the record's value in hex. */
  readonly hash: string;
}

/**
 * Everything read from the log and not yet settled, in bytes and in changes. One per service.
 * The source stops at the limit and goes on at three quarters of it; what is folded away or settled is free at once.
 */
export class InFlight {
  bytes = 0;
  changes = 0;
  private readonly waiting = new Set<() => void>();
  readonly limit: { readonly bytes: number; readonly changes: number };

  constructor(limit: { bytes: number; changes: number }) {
    this.limit = limit;
  }

  get isFull(): boolean {
    return this.bytes >= this.limit.bytes || this.changes >= this.limit.changes;
  }

  get hasRoom(): boolean {
    return this.bytes <= ROOM * this.limit.bytes && this.changes <= ROOM * this.limit.changes;
  }

  add(bytes: number, changes: number): void {
    this.bytes += bytes;
    this.changes += changes;
    if ((bytes < 0 || changes < 0) && this.waiting.size > 0 && this.hasRoom)
      for (const listener of [...this.waiting]) listener();
  }

  /** Calls back each time a quarter of the limit is free again after a release. Returns the function that stops it. */
  onRoom(listener: () => void): () => void {
    this.waiting.add(listener);
    return () => this.waiting.delete(listener);
  }
}

/**
 * One batch's claim on its partition's position. Whoever needs the batch not to be forgotten takes a hold; the position
 * passes the batch when nobody holds it and it is journaled. A page of recovered keys has a ticket of its own that
 * belongs to no position (`log` null): it bounds memory and asks for the next page when free.
 *
 * Born with one hold, that of the pipeline itself: released once every change has entered the fold.
 */
export class Ticket {
  private holds = 1;
  private isJournaled: boolean;
  readonly log: PartitionLog | null;
  readonly topic: string;
  readonly partition: number;
  readonly firstOffset: number;
  readonly nextOffset: number;
  readonly anchor: Anchor | null;
  private readonly onFree: (() => void) | null;

  constructor(place: {
    log: PartitionLog | null;
    topic: string;
    partition: number;
    firstOffset: number;
    nextOffset: number;
    anchor: Anchor | null;
    onFree?: () => void;
  }) {
    this.log = place.log;
    this.topic = place.topic;
    this.partition = place.partition;
    this.firstOffset = place.firstOffset;
    this.nextOffset = place.nextOffset;
    this.anchor = place.anchor;
    this.onFree = place.onFree ?? null;
    this.isJournaled = place.log === null;
  }

  /** False once its partition was assigned anew: what it covered is read again, so its changes may be dropped. */
  get isLive(): boolean {
    return this.log === null || this.log.isCurrent;
  }

  get isFree(): boolean {
    return this.holds === 0 && this.isJournaled;
  }

  hold(): void {
    if (this.isFree)
      throw new Error(
        `ticket ${this.topic}/${this.partition}@${this.firstOffset} was taken up again after it was settled`,
      );
    this.holds += 1;
  }

  release(): void {
    if (this.holds === 0)
      throw new Error(`ticket ${this.topic}/${this.partition}@${this.firstOffset} was released more often than held`);
    this.holds -= 1;
    this.tellIfFree();
  }

  /** The batch is in the journal, or its absence is durably listed as a gap and what must be durable is. */
  journaled(): void {
    if (this.isJournaled) return;
    this.isJournaled = true;
    this.tellIfFree();
  }

  private tellIfFree(): void {
    if (!this.isFree) return;
    this.log?.settle();
    this.onFree?.();
  }
}

/**
 * The position of one partition during one assignment: a queue of tickets in log order. `settled` is the offset that may
 * be committed, the end of the longest prefix of free tickets. States: current, then retired (for good) at the next
 * assignment; a retired log still takes releases and never moves a commit.
 */
export class PartitionLog {
  readonly topic: string;
  readonly partition: number;
  private readonly tickets: Ticket[] = [];
  private head = 0;
  private current = true;
  private position: number;
  private settledAnchor: Anchor | null = null;
  /** Offset after the last record admitted. */
  read: number;
  private readonly inFlight: InFlight | null;

  /** `inFlight` is charged for each ticket the position has not passed, so a position that cannot move stays bounded too. */
  constructor(topic: string, partition: number, startOffset: number, inFlight: InFlight | null = null) {
    this.topic = topic;
    this.partition = partition;
    this.inFlight = inFlight;
    this.position = startOffset;
    this.read = startOffset;
  }

  get isCurrent(): boolean {
    return this.current;
  }

  /** S of delivery.md 2: every record below it is settled, parked or dead-lettered, and journaled. */
  get settled(): number {
    return this.position;
  }

  /** The last record below `settled`, or null before the first move. */
  get anchor(): Anchor | null {
    return this.settledAnchor;
  }

  /** First offset of the oldest batch that still holds the position back, or null when all is settled. */
  get oldestUnsettled(): number | null {
    return this.tickets[this.head]?.firstOffset ?? null;
  }

  /** Broker timestamp of the last record of that batch, milliseconds; null when all is settled or the batch held no record. */
  get oldestUnsettledMs(): number | null {
    return this.tickets[this.head]?.anchor?.timestampMs ?? null;
  }

  /** Takes up a batch. `nextOffset` is where reading goes on, past filtered and control records. */
  admit(firstOffset: number, nextOffset: number, anchor: Anchor | null): Ticket {
    if (firstOffset < this.read)
      throw new Error(`${this.topic}/${this.partition} was read twice: ${firstOffset} after ${this.read}`);
    this.read = nextOffset;
    const ticket = new Ticket({
      log: this,
      topic: this.topic,
      partition: this.partition,
      firstOffset,
      nextOffset,
      anchor,
    });
    this.tickets.push(ticket);
    if (this.current) this.inFlight?.add(TICKET_BYTES, 0);
    return ticket;
  }

  /** Ends this assignment's claim: what is still unsettled is read again by whoever owns the partition next. */
  retire(): void {
    if (!this.current) return;
    this.current = false;
    this.inFlight?.add(-TICKET_BYTES * (this.tickets.length - this.head), 0);
  }

  /** Called by a ticket that became free. */
  settle(): void {
    if (!this.current) return;
    const before = this.head;
    while (this.tickets[this.head]?.isFree) {
      const ticket = this.tickets[this.head] as Ticket;
      this.position = ticket.nextOffset;
      this.settledAnchor = ticket.anchor ?? this.settledAnchor;
      this.head += 1;
    }
    if (this.head > before) this.inFlight?.add(-TICKET_BYTES * (this.head - before), 0);
    if (this.head > 1024 && this.head * 2 > this.tickets.length) {
      this.tickets.splice(0, this.head);
      this.head = 0;
    }
  }
}
