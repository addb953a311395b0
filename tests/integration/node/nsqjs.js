// nsqjs: PORT TOPIC OPTIONS. Publishes, consumes, requeues, touches and lets a delivery time out. Prints "ok", or throws; a
// client that is not let in prints why.
'use strict';

const assert = require('assert');
const nsq = require('nsqjs');

const [port, topic, options] = process.argv.slice(2);
const connection = JSON.parse(options);

const opened = (client, name) =>
  new Promise((resolve, reject) => {
    client.on(name, resolve);
    client.on('error', reject);
    client.connect();
  });

// The timeout of deliveries where it matters, and how often they are touched.
const TIMEOUT_MS = 2000;
const TOUCH_MS = 250;

const called = (work) =>
  new Promise((resolve, reject) => work((error) => (error ? reject(error) : resolve())));

const read = (name, settings) =>
  new nsq.Reader(name, 'c', {
    nsqdTCPAddresses: [`127.0.0.1:${port}`],
    maxInFlight: 20,
    maxBackoffDuration: 0,
    ...settings,
    ...connection,
  });

// Has each delivery handled until one says that it was the last. What `handle` throws, and any error, fails.
const until = (reader, handle) =>
  new Promise((resolve, reject) => {
    reader.on('error', reject);
    reader.on('message', (message) => {
      try {
        handle(message, resolve);
      } catch (error) {
        reject(error);
      }
    });
    reader.connect();
  });

// Each of `expected` comes as often as it says, one of them requeued in between.
const consume = (reader, expected) =>
  until(reader, (message, done) => {
    const body = message.body.toString();
    assert.ok(expected.has(body), `not expected: ${body.slice(0, 40)}, attempt ${message.attempts}`);
    if (message.attempts === expected.get(body)) {
      message.finish();
      expected.delete(body);
    } else {
      message.requeue(100, false);
    }
    if (expected.size === 0) done();
  });

// A delivery that nobody answers comes again.
const timeOut = (reader) =>
  until(reader, (message, done) => {
    if (message.attempts === 1) return;
    message.finish();
    done();
  });

// A message that is touched stays for twice its timeout. Where the machine stalled too long for a touch, it comes again, as it should,
// and the time begins anew.
const touch = (reader) => {
  let [stalls, touched, timer] = [0, 0, undefined];
  const isLate = () => Date.now() - touched > TIMEOUT_MS / 2;
  const stalled = () => {
    stalls += 1;
    clearInterval(timer);
    timer = undefined;
  };
  return until(reader, (message, done) => {
    if (timer !== undefined && isLate()) stalled();
    assert.ok(message.attempts <= 1 + stalls, `attempt ${message.attempts} of what was touched, after ${stalls} stalls`);
    const begin = (touched = Date.now());
    timer = setInterval(() => {
      if (isLate()) return stalled();
      touched = Date.now();
      if (touched - begin < 2 * TIMEOUT_MS) return message.touch();
      clearInterval(timer);
      message.finish();
      return done();
    }, TOUCH_MS);
  });
};

async function main() {
  const writer = new nsq.Writer('127.0.0.1', Number(port), connection);
  await opened(writer, 'ready');
  const large = 'x'.repeat(500000);
  const many = Array.from({ length: 100 }, (_, n) => `message ${n}`);
  await called((done) => writer.publish(topic, 'one', done));
  await called((done) => writer.publish(topic, many, done));
  await called((done) => writer.publish(topic, large, done));
  await called((done) => writer.publish(topic, ['requeued', 'again'], done));
  await called((done) => writer.deferPublish(topic, ['later'], 150, done));
  await called((done) => writer.publish(`${topic}-left`, 'left', done));
  await called((done) => writer.publish(`${topic}-touched`, 'touched', done));

  const readers = [
    read(topic, {}),
    read(`${topic}-left`, { messageTimeout: 1000 }),
    read(`${topic}-touched`, { messageTimeout: TIMEOUT_MS }),
  ];
  const [all, left, touched] = readers;
  const expected = new Map([...many, 'one', large, 'later'].map((body) => [body, 1]));
  expected.set('requeued', 2).set('again', 2);
  await Promise.all([consume(all, expected), timeOut(left), touch(touched)]);
  readers.forEach((reader) => reader.close());
  writer.close();
}

main().then(
  () => {
    console.log('ok');
    process.exit(0);
  },
  (error) => {
    if (/E_AUTH_FAILED|E_UNAUTHORIZED/.test(String(error))) {
      console.log(`refused: ${error}`);
      process.exit(0);
    }
    console.error(error);
    process.exit(1);
  },
);
