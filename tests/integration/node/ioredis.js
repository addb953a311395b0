// ioredis: PORT PREFIX sharded|embedded PROTOCOL. Prints "ok", or throws.
'use strict';

const assert = require('assert');
const Redis = require('ioredis');

const [port, prefix, kind, protocol] = process.argv.slice(2);

// A custom command sends its script once on a connection and its sha from then on. Alone it sends the script again to a server
// that does not know it; in a pipeline it cannot, and there the script has to be loaded before.
async function scripts(redis) {
  await redis.script('FLUSH');
  const lua = `return redis.call('incrby', KEYS[1], ARGV[1]) -- ${prefix}`;
  redis.defineCommand('addTo', { numberOfKeys: 1, lua });
  for (let n = 0; n < 30; n++) assert.strictEqual(await redis.addTo(`${prefix}s${n}`, n), n);

  await redis.script('FLUSH');
  const sha = await redis.script('LOAD', lua);
  assert.deepStrictEqual(await redis.script('EXISTS', sha, 'f'.repeat(40)), [1, 0]);
  const another = redis.duplicate();
  another.defineCommand('addTo', { numberOfKeys: 1, lua });
  const pipeline = another.pipeline();
  for (let n = 0; n < 30; n++) pipeline.addTo(`${prefix}s${n}`, 1);
  assert.deepStrictEqual(await pipeline.exec(), Array.from({ length: 30 }, (_, n) => [null, n + 1]));
  another.disconnect();
  for (let n = 0; n < 30; n++) assert.strictEqual(await redis.evalsha(sha, 1, `${prefix}s${n}`, 1), n + 2);
}

// Transactions are executed once; what was meant for another database is not applied.
async function refusals(redis) {
  const options = { port: Number(port), retryStrategy: null, maxRetriesPerRequest: 0 };
  for (const extra of [{}, { enableAutoPipelining: true }]) {
    const transaction = new Redis({ ...options, ...extra });
    transaction.on('error', () => {});
    const results = await transaction.multi().incr(`${prefix}multi`).incr(`${prefix}multi`).exec();
    assert.deepStrictEqual(results.map(([error, n]) => [error, n % 2]), [[null, 1], [null, 0]]);
    transaction.disconnect();
  }
  // A client that connects again sends again what was not answered.
  const again = new Redis({ port: Number(port), retryStrategy: () => 20, maxRetriesPerRequest: 3 });
  again.on('error', () => {});
  const queued = [again.multi({ pipeline: false }), again.incr(`${prefix}again`), again.exec()];
  assert.deepStrictEqual(await Promise.all(queued), ['OK', 'QUEUED', [[null, 1]]]);
  again.disconnect();
  for (const enableReadyCheck of [true, false]) {
    const other = new Redis({ ...options, db: 1, enableReadyCheck });
    other.on('error', () => {});
    await assert.rejects(other.set(`${prefix}refused`, 'v'));
    other.disconnect();
  }
  assert.strictEqual(await redis.get(`${prefix}refused`), null);
}

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
    await scripts(redis);
  }

  await assert.rejects(redis.call('SHUTDOWN'), /shutdown/i);
  assert.strictEqual(await redis.get(`${prefix}k`), 'v');
  await refusals(redis);
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
