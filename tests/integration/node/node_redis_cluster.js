// node-redis in cluster mode: PORT PREFIX NODES. Prints "ok", or throws.
'use strict';

const assert = require('assert');
const { createCluster } = require('redis');

const [port, prefix, nodes] = process.argv.slice(2);

async function main() {
  const cluster = createCluster({ rootNodes: [{ url: `redis://127.0.0.1:${port}` }] });
  cluster.on('error', (error) => { throw error; });
  await cluster.connect();
  assert.strictEqual(cluster.masters.length, Number(nodes));
  for (let n = 0; n < 50; n++) assert.strictEqual(await cluster.set(`${prefix}${n}`, String(n)), 'OK');
  const reads = Array.from({ length: 50 }, (_, n) => cluster.get(`${prefix}${n}`));
  assert.deepStrictEqual(await Promise.all(reads), Array.from({ length: 50 }, (_, n) => String(n)));
  const tagged = [1, 2, 3].map((n) => `{${prefix}}${n}`);
  assert.strictEqual(await cluster.mSet(tagged.map((key) => [key, 'v'])), 'OK');
  assert.deepStrictEqual(await cluster.mGet(tagged), ['v', 'v', 'v']);
  const pipeline = cluster.multi();
  for (let n = 0; n < 50; n++) pipeline.incr(`{${prefix}}p`);
  assert.deepStrictEqual(await pipeline.execAsPipeline(), Array.from({ length: 50 }, (_, n) => n + 1));
  assert.deepStrictEqual(await cluster.multi().incr(`{${prefix}}n`).incr(`{${prefix}}n`).exec(), [1, 2]);
  // Every node has all keys.
  for (const master of cluster.masters) {
    const node = await cluster.nodeClient(master);
    const found = new Set();
    for await (const keys of node.scanIterator({ MATCH: `${prefix}*`, COUNT: 20 })) keys.forEach((key) => found.add(key));
    assert.deepStrictEqual([...found].sort(), Array.from({ length: 50 }, (_, n) => `${prefix}${n}`).sort());
  }
  let heard;
  const message = new Promise((resolve) => { heard = resolve; });
  await cluster.subscribe(`${prefix}channel`, (text) => heard(text));
  await cluster.publish(`${prefix}channel`, 'hello');
  assert.strictEqual(await message, 'hello');
  await cluster.unsubscribe(`${prefix}channel`);
  cluster.destroy();
}

main().then(() => console.log('ok'), (error) => {
  console.error(error);
  process.exit(1);
});
