import type { LinkFault } from './fault-proxy.ts';

export const SERVER_NAMES = ['kafka', 'redis', 'mariadb', 'elasticsearch'] as const;
export type ServerName = (typeof SERVER_NAMES)[number];

/** One thing that goes wrong, for `forMs` milliseconds where that is ours to say. */
export type Fault =
  | {
      readonly kind: 'link';
      readonly instance: number;
      readonly server: ServerName;
      readonly fault: LinkFault;
      readonly forMs: number;
    }
  /** SIGKILL; the process stays away for so long. */
  | { readonly kind: 'kill'; readonly instance: number; readonly forMs: number }
  /** SIGSTOP for longer than the session of the group, then SIGCONT: a zombie that wakes up. */
  | { readonly kind: 'pause'; readonly instance: number; readonly forMs: number }
  /** Each instance is stopped in order and started again, one after the other. */
  | { readonly kind: 'rolling-restart'; readonly forMs: number }
  /** Down to one instance, up to three, down to one, and back to two; each step for so long. */
  | { readonly kind: 'scale'; readonly forMs: number }
  /** The server ends, in order or on the spot, stays away for so long, and starts with its data; Redis is flushed. */
  | { readonly kind: 'restart'; readonly server: ServerName; readonly isCrash: boolean; readonly forMs: number }
  /** SIGSTOP of a server: connections stay open and nothing answers. */
  | { readonly kind: 'freeze'; readonly server: ServerName; readonly forMs: number };

export type Random = () => number;

/** Numbers from 0 to 1, the same for the same seed (mulberry32). */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Endless faults of the links between the two instances that are always meant to run and the servers: each kind as often as any other. */
export function* linkFaults(random: Random): Generator<Fault> {
  for (;;) {
    for (const [server, make] of shuffled(LINK_KINDS, random)) {
      const instance = Math.floor(random() * 2);
      yield { kind: 'link', instance, server, fault: make(random), forMs: between(random, 2000, 7000) };
    }
  }
}

/** Endless faults of processes and servers: each kind as often as any other. `sessionMs`: what a pause has to outlast. */
export function* processFaults(random: Random, sessionMs: number): Generator<Fault> {
  for (;;) {
    for (const make of shuffled(PROCESS_KINDS, random)) yield make(random, sessionMs);
  }
}

/** A short name for a log and for the table. */
export function nameOf(fault: Fault): string {
  if (fault.kind === 'link') return `${fault.server} link ${fault.fault.kind}`;
  if (fault.kind === 'restart') return `${fault.server} restart`;
  if (fault.kind === 'freeze') return `${fault.server} freeze`;
  return { kill: 'SIGKILL', pause: 'SIGSTOP', 'rolling-restart': 'rolling restart', scale: 'scale 1-3-1' }[fault.kind];
}

type MakeLink = (random: Random) => LinkFault;

const LINK_MODES: readonly MakeLink[] = [
  () => ({ kind: 'refuse' }),
  () => ({ kind: 'black-hole' }),
  (random) => ({ kind: 'latency', ms: between(random, 50, 800) }),
  (random) => ({ kind: 'throttle', bytesPerSecond: between(random, 5000, 50_000) }),
  (random) => ({ kind: 'slice', bytes: between(random, 20, 200), everyMs: between(random, 1, 3) }),
  () => ({ kind: 'reset-mid-reply' }),
  () => ({ kind: 'drop-reply' }),
];

const LINK_KINDS = SERVER_NAMES.flatMap((server) => LINK_MODES.map((make) => [server, make] as const));

type MakeFault = (random: Random, sessionMs: number) => Fault;

const PROCESS_KINDS: readonly MakeFault[] = [
  ...[0, 1].map(
    (instance): MakeFault =>
      (random) => ({ kind: 'kill', instance, forMs: between(random, 0, 4000) }),
  ),
  ...[0, 1].map(
    (instance): MakeFault =>
      (random, sessionMs) => ({ kind: 'pause', instance, forMs: sessionMs + between(random, 1000, 6000) }),
  ),
  (random) => ({ kind: 'rolling-restart', forMs: between(random, 500, 2000) }),
  (random) => ({ kind: 'scale', forMs: between(random, 2000, 6000) }),
  ...SERVER_NAMES.map(
    (server): MakeFault =>
      (random) => ({ kind: 'restart', server, isCrash: random() < 0.5, forMs: between(random, 0, 5000) }),
  ),
  ...SERVER_NAMES.map(
    (server): MakeFault =>
      (random) => ({ kind: 'freeze', server, forMs: between(random, 2000, 8000) }),
  ),
];

function between(random: Random, least: number, most: number): number {
  return least + Math.floor(random() * (most - least + 1));
}

function shuffled<T>(values: readonly T[], random: Random): T[] {
  const deck = [...values];
  for (let i = deck.length - 1; i > 0; i -= 1) {
    const j = Math.floor(random() * (i + 1));
    [deck[i], deck[j]] = [deck[j] as T, deck[i] as T];
  }
  return deck;
}
