import type { World } from './world.ts';

/** Redis goes down for a while, or forgets: a key, the last writes, everything. */
export function breakRedis(world: World, durationMs: number): boolean {
  const { clock, random, servers } = world;
  const kind = random.pick(['down', 'key', 'last', 'all'] as const);
  world.sometimes.hit(`redis loses ${kind}`);
  if (kind === 'down') {
    servers.redis.isUp = false;
    clock.after(durationMs, () => {
      servers.redis.isUp = true;
    });
  } else world.buffer.lose(kind, random);
  return true;
}
