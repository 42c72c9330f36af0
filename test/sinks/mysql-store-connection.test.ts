import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PoolConnection } from 'mysql2';
import { execute } from '../../src/sinks/mysql-store-connection.ts';

interface Written {
  buffer: Buffer;
  end: number;
}

/** A connection whose statements write, when their turn comes, a packet with a head of so many bytes. */
function connectionWith(headBytes: number): { connection: PoolConnection; written: Written[] } {
  const written: Written[] = [];
  const link = { writePacket: (packet: Written) => void written.push(packet) };
  const statement = {
    parameters: [],
    execute(values: readonly unknown[], done: (error: unknown, result: unknown) => void) {
      assert.deepEqual(values, []);
      const command = {
        start(_packet: unknown, to: typeof link) {
          try {
            to.writePacket({ buffer: Buffer.alloc(headBytes, 7), end: headBytes });
            done(null, { affectedRows: 65 });
          } catch (error) {
            done(error, null);
          }
        },
      };
      queueMicrotask(() => command.start(null, link));
      return command;
    },
  };
  const prepare = (_sql: string, done: (error: null, prepared: typeof statement) => void) => done(null, statement);
  return { connection: { prepare } as unknown as PoolConnection, written };
}

const MANY = new Array<number>(65).fill(1);

test('many values stand behind the head that mysql2 wrote', async () => {
  const { connection, written } = connectionWith(14);
  assert.deepEqual(await execute(connection, 'INSERT', MANY, 1000), { rows: [], affected: 65 });
  const [packet] = written;
  assert.ok(packet !== undefined && written.length === 1);
  assert.equal(packet.end, packet.buffer.length);
  assert.deepEqual(packet.buffer.subarray(0, 14), Buffer.alloc(14, 7));
  assert.equal(packet.end, 14 + 9 + 1 + 65 * (2 + 8));
});

test('a packet that is not the head we know is not sent: the call fails', async () => {
  const { connection, written } = connectionWith(15);
  await assert.rejects(execute(connection, 'INSERT', MANY, 1000), { code: 'E4001', detail: 'UNKNOWN_PACKET' });
  assert.deepEqual(written, []);
});
