// nsqjs: LOOKUP TOPIC COUNT. Reads COUNT messages of a topic, whose nodes it finds through the nsqlookupd. Prints "ok", or throws.
'use strict';

const nsq = require('nsqjs');

const [lookup, topic, count] = process.argv.slice(2);
const bodies = new Set();
const reader = new nsq.Reader(topic, 'node', { lookupdHTTPAddresses: lookup, lookupdPollInterval: 1, maxInFlight: 10 });

reader.on('error', (error) => {
  throw error;
});
reader.on('message', (message) => {
  bodies.add(message.body.toString());
  message.finish();
  if (bodies.size === Number(count)) {
    console.log('ok');
    reader.close();
    setTimeout(() => process.exit(0), 50);
  }
});
reader.connect();
