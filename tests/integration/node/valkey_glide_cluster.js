// Valkey GLIDE in cluster mode: PORT PREFIX. Prints "ok", or throws.
'use strict';

const assert = require('assert');
const { ClusterBatch, ClusterScanCursor, GlideClusterClient, GlideClusterClientConfiguration } = require('@valkey/valkey-glide');

const [port, prefix] = process.argv.slice(2);

async function main() {
  const client = await GlideClusterClient.createClient({
    addresses: [{ host: '127.0.0.1', port: Number(port) }], requestTimeout: 5000,
  });
  for (let n = 0; n < 50; n++) assert.strictEqual(await client.set(`${prefix}${n}`, String(n)), 'OK');
  const keys = Array.from({ length: 50 }, (_, n) => `${prefix}${n}`);
  assert.deepStrictEqual(await Promise.all(keys.map((key) => client.get(key))), keys.map((_, n) => String(n)));
  // It splits by slot itself.
  assert.deepStrictEqual(await client.mget(keys), keys.map((_, n) => String(n)));
  const pipeline = new ClusterBatch(false);
  for (let n = 0; n < 50; n++) pipeline.incr(`${prefix}p${n % 5}`);
  assert.deepStrictEqual(await client.exec(pipeline, true), Array.from({ length: 50 }, (_, n) => Math.floor(n / 5) + 1));
  const transaction = new ClusterBatch(true).incr(`{${prefix}}n`).incr(`{${prefix}}n`);
  assert.deepStrictEqual(await client.exec(transaction, true), [1, 2]);
  const found = new Set();
  for (let cursor = new ClusterScanCursor(); !cursor.isFinished();) {
    const [next, some] = await client.scan(cursor, { match: `${prefix}*`, count: 20 });
    cursor = next;
    some.forEach((key) => found.add(key));
  }
  assert.ok(keys.every((key) => found.has(key)), [...found].join());
  const subscriber = await GlideClusterClient.createClient({
    addresses: [{ host: '127.0.0.1', port: Number(port) }],
    requestTimeout: 5000,
    pubsubSubscriptions: {
      channelsAndPatterns: { [GlideClusterClientConfiguration.PubSubChannelModes.Exact]: new Set([`${prefix}channel`]) },
    },
  });
  await client.publish('hello', `${prefix}channel`);
  assert.strictEqual((await subscriber.getPubSubMessage()).message, 'hello');
  subscriber.close();
  client.close();
}

main().then(() => { console.log('ok'); process.exit(0); }, (error) => {
  console.error(error);
  process.exit(1);
});
