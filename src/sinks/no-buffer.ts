import { EMPTY } from 'rxjs';
import type { ChangeBuffer } from '../pipeline/ports.ts';

/** The buffer of a pipeline that shows its changes nowhere on the way: takes everything, keeps nothing. */
export function noBuffer(): ChangeBuffer {
  return {
    name: 'none',
    upsert: () => EMPTY,
    remove: () => EMPTY,
    read: async () => null,
    size: async () => 0,
    ping: async () => undefined,
    close: async () => undefined,
  };
}
