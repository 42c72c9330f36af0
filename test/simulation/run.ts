import { Nemesis } from './nemesis.ts';
import { type Profile, profileOf } from './profile.ts';
import { Random } from './random.ts';
import { Sometimes } from './sometimes.ts';
import { World } from './world.ts';

export interface RunResult {
  readonly seed: number;
  /** Empty: everything was as the log says. */
  readonly violations: readonly string[];
  /** Hash of everything that happened, in order. */
  readonly trace: number;
  readonly steps: number;
  /** From the end of the faults to rest, milliseconds of virtual time. */
  readonly restMs: number;
  readonly sometimes: Sometimes;
}

/** The longest way back to rest that is admitted: parked keys are tried every ten minutes at worst. */
const REST_LIMIT_MS = 1_500_000;

/** One run from its seed: changes and faults for a while, then quiet until everything rests, then the comparison. */
export async function simulate(
  seed: number,
  { adjust = (same) => same, look }: { adjust?: (profile: Profile) => Profile; look?: (world: World) => void } = {},
): Promise<RunResult> {
  const sometimes = new Sometimes();
  const profile = adjust(profileOf(seed));
  const world = new World(profile, sometimes);
  look?.(world);
  const restMs = inVirtualWorld(world, () => live(world));
  try {
    await world.buffer.checked();
  } catch (error) {
    world.oracle.violate((error as Error).message);
  }
  const { oracle, network, clock } = world;
  return { seed, violations: oracle.violations, trace: network.trace, steps: clock.steps, restMs, sometimes };
}

/** Runs with the run's own chance, and without real timers: nothing in a run may depend on anything but its seed. */
function inVirtualWorld(world: World, run: () => number): number {
  const { random: realRandom } = Math;
  const realTimeout = globalThis.setTimeout;
  const random = new Random(world.profile.seed ^ 0x0b5e55);
  Math.random = random.next;
  // RxJS reports errors that nobody handles by a timer.
  globalThis.setTimeout = ((report: () => void) => {
    try {
      report();
    } catch (error) {
      world.oracle.violate(`unhandled: ${error instanceof Error ? (error.stack ?? error.message) : error}`);
    }
  }) as unknown as typeof setTimeout;
  try {
    return run();
  } catch (error) {
    world.oracle.violate(`defect: ${error instanceof Error ? (error.stack ?? error.message) : error}`);
    return 0;
  } finally {
    Math.random = realRandom;
    globalThis.setTimeout = realTimeout;
  }
}

function live(world: World): number {
  const { clock, oracle, profile, random, upstream } = world;
  const startMs = clock.nowMs;
  const nemesis = new Nemesis(world);
  const isOver = (): boolean => oracle.violations.length > 0;
  world.supervise();
  for (let i = 0; i < profile.records; i += 1) clock.after(random.int(profile.busyMs), () => upstream.write());
  const faults = [...profile.faults];
  for (let i = 0; i < profile.disturbances && faults.length > 0; i += 1)
    clock.after(random.int(profile.busyMs), () => nemesis.begin(random.pick(faults)));
  clock.after(0, () => checkBounds(world));
  clock.runUntil(startMs + profile.busyMs, isOver);
  nemesis.heal();
  const healedMs = clock.nowMs;
  clock.runUntil(healedMs + 3000, isOver);
  if (profile.poison > 0 && random.chance(0.5)) mend(world);
  const restMs = rest(world, healedMs, isOver);
  if (!isOver()) oracle.final();
  return restMs;
}

/** Somebody mends what the index refused and asks for it to be sent again. */
function mend(world: World): void {
  world.index.isStrict = false;
  world.isMended = true;
  world.sometimes.hit('poison mended');
}

function rest(world: World, healedMs: number, isOver: () => boolean): number {
  const { clock, index, oracle, profile, store } = world;
  for (;;) {
    clock.runUntil(clock.nowMs + 1000, isOver);
    if (isOver()) return clock.nowMs - healedMs;
    if (world.isMended) {
      for (const reason of ['document_parsing_exception', 'action_request_validation_exception'])
        store.requestRedrive({ reason });
    }
    const trouble = unrest(world);
    if (trouble === null) break;
    if (clock.nowMs - healedMs > REST_LIMIT_MS) {
      oracle.violate(`not at rest after ${REST_LIMIT_MS} ms: ${trouble}`);
      return clock.nowMs - healedMs;
    }
  }
  const restMs = clock.nowMs - healedMs;
  const { pauseLimitMs } = profile.options;
  // What an index has forgotten is found by checks, the last of them when no late write is possible any more.
  if (profile.isForgetful && index.forgotten > 0) clock.runUntil(clock.nowMs + 2 * pauseLimitMs + 300_000, isOver);
  return restMs;
}

/** Why the run is not at rest, or null when it is. */
function unrest(world: World): string | null {
  const { instances, kafka, network, operator, store, topics } = world;
  if (operator.isBusy || instances.length < world.wanted) return 'instances are missing';
  if (network.underway > 0) return `${network.underway} requests are under way`;
  for (const topic of topics) {
    for (const [p, { high }] of kafka.topic(topic).partitions.entries()) {
      const committed = kafka.committed.get(`${topic}/${p}`) ?? 0;
      if (committed < high) return `${topic}/${p} is committed to ${committed} of ${high}`;
    }
  }
  const owed = [...store.parkedKeys.values()].filter(({ tableName, topic }) => !world.truth.isDetour(tableName, topic));
  if (owed.length > 0) return `${owed.length} keys are parked`;
  for (const row of store.deadLetters.values()) if (row.state === 'redrive') return 'letters wait to be sent again';
  for (const { inFlight, process } of instances) {
    if (inFlight.bytes !== 0 || inFlight.changes !== 0)
      return `${process.name} holds ${inFlight.bytes} bytes and ${inFlight.changes} changes`;
  }
  return null;
}

/** Looks every now and then whether memory stays inside its bound. */
function checkBounds(world: World): void {
  const { clock, oracle, profile } = world;
  for (const { inFlight, process } of world.instances) {
    const { bytes, changes } = profile.inFlight;
    // A batch, a page or letters may come on top of a limit that was not reached before.
    if (inFlight.bytes > bytes + 60_000 || inFlight.changes > changes + 120)
      oracle.violate(`${process.name} holds ${inFlight.bytes} bytes and ${inFlight.changes} changes, over its limit`);
    if (inFlight.bytes < 0 || inFlight.changes < 0) oracle.violate(`${process.name} gave back more than it held`);
  }
  clock.after(97, () => checkBounds(world));
}
