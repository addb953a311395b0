// ioredis: PORT PREFIX sharded|embedded PROTOCOL. Prints "ok", or throws.
'use strict';

const assert = require('assert');
const Redis = require('ioredis');

const [port, prefix, kind, protocol] = process.argv.slice(2);

async function main() {
  const redis = new Redis({ host: '127.0.0.1', port: Number(port), protocol: Number(protocol), retryStrategy: null });
  assert.strictEqual(await redis.set(`${prefix}k`, 'v'), 'OK');
  assert.strictEqual(await redis.get(`${prefix}k`), 'v');
  assert.strictEqual(await redis.get(`${prefix}none`), null);

  const pairs = new Map();
  for (let n = 0; n < 200; n++) pairs.set(`${prefix}${n}`, `value ${n}`);
  assert.strictEqual(await redis.mset(pairs), 'OK');
  assert.deepStrictEqual(await redis.mget([...pairs.keys(), `${prefix}none`]), [...pairs.values(), null]);
  assert.strictEqual(await redis.del([...pairs.keys()]), 200);

  // all sent at once, answered in order
  const counts = await Promise.all(Array.from({ length: 500 }, () => redis.incr(`${prefix}n`)));
  assert.deepStrictEqual(counts, counts.map((_, index) => index + 1));

  const replies = await redis.pipeline().set(`${prefix}p`, '1').incr(`${prefix}p`).get(`${prefix}p`).exec();
  assert.deepStrictEqual(replies, [[null, 'OK'], [null, 2], [null, '2']]);

  const value = Buffer.alloc(1024 * 1024, 7);
  await redis.set(`${prefix}large`, value);
  assert.ok(value.equals(await redis.getBuffer(`${prefix}large`)));

  if (kind === 'sharded') {
    await redis.hset(`${prefix}h`, { a: '1', b: '2' });
    assert.deepStrictEqual(await redis.hgetall(`${prefix}h`), { a: '1', b: '2' });
  }

  await assert.rejects(redis.call('KEYS', '*'), /keys/i);
  assert.strictEqual(await redis.get(`${prefix}k`), 'v');
  assert.strictEqual(await redis.quit(), 'OK');

  const automatic = new Redis({ port: Number(port), enableAutoPipelining: true, retryStrategy: null });
  const all = await Promise.all(Array.from({ length: 50 }, (_, n) => automatic.set(`${prefix}a${n}`, n)));
  assert.ok(all.every((reply) => reply === 'OK'));
  automatic.disconnect();
  console.log('ok');
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
