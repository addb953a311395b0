// ioredis over TLS: PORT CA. Prints "ok", or throws.
'use strict';

const assert = require('assert');
const fs = require('fs');
const Redis = require('ioredis');

const [port, ca] = process.argv.slice(2);
const options = { host: 'localhost', port: Number(port), retryStrategy: null };

async function main() {
  const redis = new Redis({ ...options, tls: { ca: fs.readFileSync(ca) } });
  const large = 'x'.repeat(300000);
  assert.strictEqual(await redis.set('ioredis', large), 'OK');
  assert.strictEqual(await redis.get('ioredis'), large);
  const pipeline = redis.pipeline();
  for (let n = 0; n < 1000; n++) pipeline.incr('ioredis:n');
  const replies = await pipeline.exec();
  assert.deepStrictEqual(replies[999], [null, 1000]);
  redis.disconnect();

  // Another authority: nothing is said to who cannot prove its name.
  const other = new Redis({ ...options, tls: {}, maxRetriesPerRequest: 0 });
  const errors = [];
  other.on('error', (error) => errors.push(error));
  await assert.rejects(other.ping());
  other.disconnect();
  assert.ok(errors.some((error) => /self.signed|unable to verify/i.test(error.message)), String(errors));
  console.log('ok');
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
