import { setTimeout as delay } from 'node:timers/promises';
import type { Instance } from './instance.ts';
import type { Fault, ServerName } from './schedule.ts';
import { flushRedis } from './servers.ts';
import type { World } from './world.ts';

/**
 * Lets one fault happen, and resolves when it is over and all it touched is as before. Resolves with whether it met
 * anybody, as far as that can be known.
 */
export async function suffer(world: World, fault: Fault): Promise<boolean> {
  const { instances, servers } = world;
  switch (fault.kind) {
    case 'link': {
      const proxy = instanceOf(world, fault.instance).links.of(fault.server);
      proxy.inject(fault.fault);
      await delay(fault.forMs);
      await proxy.lift();
      return proxy.hits > 0;
    }
    case 'kill':
      await instanceOf(world, fault.instance).kill(fault.forMs);
      return true;
    case 'pause': {
      const instance = instanceOf(world, fault.instance);
      instance.pause();
      await delay(fault.forMs);
      instance.resume();
      return true;
    }
    case 'rolling-restart':
      for (const instance of instances.slice(0, 2)) {
        await instance.stop();
        await instance.start();
        await delay(fault.forMs);
      }
      return true;
    case 'scale':
      await scale(instances, fault.forMs);
      return true;
    case 'restart':
      await restart(world, fault.server, fault);
      return true;
    case 'freeze': {
      const server = servers[fault.server];
      await server.pause();
      await delay(fault.forMs);
      server.resume();
      return true;
    }
  }
}

function instanceOf({ instances }: World, number: number): Instance {
  return instances[number] as Instance;
}

async function scale([, second, third]: World['instances'], stepMs: number): Promise<void> {
  await second.stop();
  await delay(stepMs);
  await Promise.all([second.start(), third.start()]);
  await delay(stepMs);
  await Promise.all([second.stop(), third.stop()]);
  await delay(stepMs);
  await second.start();
}

async function restart(
  { load, servers }: World,
  name: ServerName,
  { forMs, isCrash }: { isCrash: boolean; forMs: number },
): Promise<void> {
  const server = servers[name];
  const again = async (): Promise<void> => {
    await (isCrash ? server.kill() : server.stop());
    await delay(forMs);
    await server.start();
  };
  if (name === 'kafka') await load.heldWhile(again);
  else await again();
  if (name === 'redis') await flushRedis(servers.redis);
}
