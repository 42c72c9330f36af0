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
  /** Tickets held, one a log at most: the oldest unsettled change of this key in that log. */
  tickets: Ticket[];
  /** Offset of the oldest unsettled change. */
  firstOffset: number;
  /** The window in which the key became unsettled. */
  since: number;
  /** The version that the store holds for this key (parked, or in a letter sent again), as far as this entry knows; 0 when none. */
  parkedVersion: number;
}

/** A key that becomes unsettled in this window. The ticket's hold is already taken; a page's ticket says that the store has the key. */
export function entryOf(change: Change, ticket: Ticket, window: number): Entry {
  return {
    change,
    place: ticket,
    tickets: [ticket],
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

/** Hands one hold of `ticket` to the entry. Of two holds in one log the older counts; one that no longer counts is released. */
export function claim(entry: Entry, ticket: Ticket): void {
  const { tickets } = entry;
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
