import { memoryBuffer } from '../../src/sinks/memory-buffer.ts';
import { testBufferConformance } from './buffer.ts';

testBufferConformance('memory', async () => {
  let nowMs = 0;
  const scheduler = { now: () => nowMs };
  return {
    buffer: memoryBuffer({ scheduler, expirySeconds: 1e6 }),
    brief: memoryBuffer({ scheduler, expirySeconds: 1 }),
    letOneSecondPass: async () => {
      nowMs += 1000;
    },
    close: async () => undefined,
  };
});
