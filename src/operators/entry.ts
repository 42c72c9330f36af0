import type { Change } from '../pipeline/change.ts';
import type { Ticket } from '../pipeline/position.ts';

/**
 * The newest unsettled change of one key, with the claims of every change it stands for. States: folding (newer changes
 * replace `change`), taken (out of the fold, on its way to the index or to the store), gone (settled, parked or joined).
 */
export interface Entry {
  change: Change;
  /** Where `change` was read. The tickets may be of other places too, when a key has moved or its table went astray. */
  place: { readonly topic: string; readonly partition: number };
  /** Tickets held, one a log at most: the oldest unsettled change of this key in that log. Entries of one batch may share the list. */
  tickets: readonly Ticket[];
  /** Offset of the oldest unsettled change. */
  firstOffset: number;
  /** The window in which the key became unsettled. */
  since: number;
  /** The version that the store holds for this key (parked, or in a letter sent again), as far as this entry knows; 0 when none. */
  parkedVersion: number;
}

const NONE: readonly Ticket[] = [];

/**
 * A key that becomes unsettled in this window. The ticket's hold is already taken; a page's ticket says that the store has the
 * key. `tickets`: the list of this ticket alone, for callers that make many entries of it.
 */
export function entryOf(change: Change, ticket: Ticket, window: number, tickets: readonly Ticket[] = [ticket]): Entry {
  return {
    change,
    place: ticket,
    tickets,
    firstOffset: change.offset,
    since: window,
    parkedVersion: ticket.log === null ? change.version : 0,
  };
}

/** From now on the entry stands for this change, which was read there. */
export function standFor(entry: Entry, change: Change, place: Entry['place']): void {
  entry.change = change;
  entry.place = place;
}

/** True when the entry has nothing to gain from this ticket: it holds an older one of the same log, and no other. */
export function isCovered({ tickets }: Entry, ticket: Ticket): boolean {
  const held = tickets[0];
  if (held === undefined || tickets.length > 1 || held.log !== ticket.log) return false;
  return ticket.log === null || held.firstOffset <= ticket.firstOffset;
}

/** False when every partition it came from was assigned anew. */
export function isLive({ tickets }: Entry): boolean {
  for (const ticket of tickets) if (ticket.isLive) return true;
  return false;
}

/** The tickets that the entry held, which from now on are the caller's. */
export function disclaim(entry: Entry): readonly Ticket[] {
  const { tickets } = entry;
  entry.tickets = NONE;
  return tickets;
}

/** Hands one hold of `ticket` to the entry. Of two holds in one log the older counts; one that no longer counts is released. */
export function claim(entry: Entry, ticket: Ticket): void {
  const tickets = [...entry.tickets];
  entry.tickets = tickets;
  const slot = tickets.findIndex((held) => held.log === ticket.log);
  const held = tickets[slot];
  if (held === undefined) tickets.push(ticket);
  else if (ticket.log !== null && ticket.firstOffset < held.firstOffset) {
    tickets[slot] = ticket;
    held.release();
  } else ticket.release();
  if (tickets.length < 2) return;
  // A page of recovered keys need not wait for a key that the live stream has taken over, nor an old assignment for anything.
  const isLiveHeld = tickets.some((one) => one.log !== null && one.isLive);
  entry.tickets = tickets.filter((one) => {
    const counts = one.isLive && !(one.log === null && isLiveHeld);
    if (!counts) one.release();
    return counts;
  });
}
