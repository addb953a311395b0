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

// Keeps a message for twice its timeout, then finishes it.
const touched = (message, done) => {
  let count = 0;
  const timer = setInterval(() => {
    count += 1;
    if (count < 5) return message.touch();
    clearInterval(timer);
    message.finish();
    return done();
  }, 400);
};

const called = (work) =>
  new Promise((resolve, reject) => work((error) => (error ? reject(error) : resolve())));

async function main() {
  const writer = new nsq.Writer('127.0.0.1', Number(port), connection);
  await opened(writer, 'ready');
  const large = 'x'.repeat(500000);
  const many = Array.from({ length: 100 }, (_, n) => `message ${n}`);
  await called((done) => writer.publish(topic, 'one', done));
  await called((done) => writer.publish(topic, many, done));
  await called((done) => writer.publish(topic, large, done));
  await called((done) => writer.publish(topic, ['requeued', 'left', 'touched'], done));
  await called((done) => writer.deferPublish(topic, ['later'], 150, done));

  const reader = new nsq.Reader(topic, 'c', {
    nsqdTCPAddresses: [`127.0.0.1:${port}`],
    maxInFlight: 20,
    maxBackoffDuration: 0,
    messageTimeout: 1000,
    ...connection,
  });
  const expected = new Map([...many, 'one', large, 'later'].map((body) => [body, 1]));
  expected.set('requeued', 2).set('left', 2).set('touched', 1);
  await new Promise((resolve, reject) => {
    reader.on('error', reject);
    reader.on('message', (message) => {
      const body = message.body.toString();
      try {
        assert.ok(expected.has(body), `not expected: ${body.slice(0, 40)}, attempt ${message.attempts}`);
        if (body === 'touched' && message.attempts === 1) {
          touched(message, () => {
            expected.delete(body);
            if (expected.size === 0) resolve();
          });
        } else if (message.attempts === expected.get(body)) {
          message.finish();
          expected.delete(body);
        } else if (body === 'requeued') {
          message.requeue(100, false);
        }
        if (expected.size === 0) resolve();
      } catch (error) {
        reject(error);
      }
    });
    reader.connect();
  });
  reader.close();
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
