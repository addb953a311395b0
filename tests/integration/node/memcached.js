// The npm package memcached: PORT PREFIX. Prints "ok", or throws.
'use strict';

const assert = require('assert');
const { promisify } = require('util');
const Memcached = require('memcached');

const [port, prefix] = process.argv.slice(2);
const client = new Memcached(`127.0.0.1:${port}`, { timeout: 60000, retries: 0, maxValue: 10 * 1024 * 1024 });
const call = (name, ...args) => promisify(client[name]).apply(client, args);

async function main() {
  assert.strictEqual(await call('set', `${prefix}k`, 'v', 100), true);
  assert.strictEqual(await call('get', `${prefix}k`), 'v');
  assert.strictEqual(await call('get', `${prefix}none`), undefined);
  assert.strictEqual(await call('replace', `${prefix}k`, 'w', 100), true);
  assert.strictEqual(await call('append', `${prefix}k`, '!'), true);
  assert.strictEqual(await call('prepend', `${prefix}k`, '?'), true);
  assert.strictEqual(await call('get', `${prefix}k`), '?w!');
  assert.strictEqual(await call('touch', `${prefix}k`, 50), true);

  const { cas } = await call('gets', `${prefix}k`);
  assert.strictEqual(await call('cas', `${prefix}k`, 'new', cas, 100), true);
  assert.strictEqual(await call('cas', `${prefix}k`, 'late', cas, 100), false);

  assert.strictEqual(await call('set', `${prefix}n`, 1, 0), true);
  assert.strictEqual(await call('incr', `${prefix}n`, 41), 42);
  assert.strictEqual(await call('decr', `${prefix}n`, 2), 40);

  // all sent at once
  const names = Array.from({ length: 100 }, (_, n) => `${prefix}${n}`);
  await Promise.all(names.map((name, n) => call('set', name, { n }, 0)));
  const found = await call('getMulti', names);
  assert.deepStrictEqual(found, Object.fromEntries(names.map((name, n) => [name, { n }])));

  const large = 'x'.repeat(900000);
  assert.strictEqual(await call('set', `${prefix}large`, large, 0), true);
  assert.strictEqual(await call('get', `${prefix}large`), large);

  assert.strictEqual(await call('del', `${prefix}k`), true);
  assert.strictEqual(await call('del', `${prefix}k`), false);
  const [version] = await call('version');
  assert.match(version.version, /^\d+\.\d+/);
  const [stats] = await call('stats');
  assert.ok('curr_items' in stats);
  assert.deepStrictEqual(await call('flush'), [true]);
  console.log('ok');
}

main().then(() => client.end(), (error) => {
  console.error(error);
  process.exit(1);
});
