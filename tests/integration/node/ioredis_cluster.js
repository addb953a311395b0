// ioredis in cluster mode: PORT PREFIX. Prints "ok", or throws.
'use strict';

const assert = require('assert');
const Redis = require('ioredis');

const [port, prefix] = process.argv.slice(2);

async function main() {
  const cluster = new Redis.Cluster([{ host: '127.0.0.1', port: Number(port) }], { clusterRetryStrategy: null });
  for (let n = 0; n < 50; n++) assert.strictEqual(await cluster.set(`${prefix}${n}`, n), 'OK');
  for (let n = 0; n < 50; n++) assert.strictEqual(await cluster.get(`${prefix}${n}`), String(n));
  const tagged = [1, 2, 3].map((n) => `{${prefix}}${n}`);
  assert.strictEqual(await cluster.mset(...tagged.flatMap((key) => [key, 'v'])), 'OK');
  assert.deepStrictEqual(await cluster.mget(...tagged), ['v', 'v', 'v']);
  const pipeline = cluster.pipeline();
  // With several nodes it takes only keys of one node.
  for (let n = 0; n < 50; n++) pipeline.incr(`{${prefix}}p`);
  const answers = await pipeline.exec();
  assert.deepStrictEqual(answers, Array.from({ length: 50 }, (_, n) => [null, n + 1]));
  const results = await cluster.multi().incr(`{${prefix}}n`).incr(`{${prefix}}n`).exec();
  assert.deepStrictEqual(results, [[null, 1], [null, 2]]);
  assert.strictEqual(cluster.nodes('master').length, Number(process.argv[4] || 1));
  // Every node has all keys.
  for (const node of cluster.nodes('master')) {
    const found = new Set();
    for await (const keys of node.scanStream({ match: `${prefix}*`, count: 20 })) keys.forEach((key) => found.add(key));
    assert.deepStrictEqual([...found].sort(), Array.from({ length: 50 }, (_, n) => `${prefix}${n}`).sort());
  }
  const message = new Promise((resolve) => cluster.on('message', (channel, text) => resolve([channel, text])));
  assert.strictEqual(await cluster.subscribe(`${prefix}channel`), 1);
  await cluster.publish(`${prefix}channel`, 'hello');
  assert.deepStrictEqual(await message, [`${prefix}channel`, 'hello']);
  cluster.disconnect();
}

main().then(() => console.log('ok'), (error) => {
  console.error(error);
  process.exit(1);
});
