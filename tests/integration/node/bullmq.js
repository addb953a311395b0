// BullMQ through the binary: node bullmq.js PORT
const assert = require('assert');
const { Queue, QueueEvents, Worker, FlowProducer } = require('bullmq');

const connection = { host: '127.0.0.1', port: Number(process.argv[2]), maxRetriesPerRequest: null };
const prefix = '{bull}';
const options = { connection, prefix };

async function main() {
  const queue = new Queue('work', options);
  const events = new QueueEvents('work', options);
  await events.waitUntilReady();
  const failures = new Map();
  const worker = new Worker('work', async (job) => {
    if (job.name === 'flaky') {
      failures.set(job.id, (failures.get(job.id) || 0) + 1);
      if (failures.get(job.id) < 3) throw new Error('not yet');
    }
    await job.updateProgress(50);
    return job.name === 'parent' ? Object.values(await job.getChildrenValues()).reduce((a, b) => a + b, 0) : job.data.n * 2;
  }, { ...options, concurrency: 4 });
  await worker.waitUntilReady();
  const jobs = await queue.addBulk([...Array(100).keys()].map((n) => ({ name: 'plain', data: { n } })));
  const results = await Promise.all(jobs.map((job) => job.waitUntilFinished(events, 60000)));
  assert.deepStrictEqual(results, [...Array(100).keys()].map((n) => n * 2));
  const later = await queue.add('delayed', { n: 21 }, { delay: 100, priority: 2 });
  assert.strictEqual(await later.waitUntilFinished(events, 60000), 42);
  const flaky = await queue.add('flaky', { n: 1 }, { attempts: 3, backoff: { type: 'fixed', delay: 10 } });
  assert.strictEqual(await flaky.waitUntilFinished(events, 60000), 2);
  const flow = new FlowProducer(options);
  const tree = await flow.add({
    name: 'parent', queueName: 'work', data: { n: 0 },
    children: [1, 2, 3].map((n) => ({ name: 'child', queueName: 'work', data: { n } })),
  });
  assert.strictEqual(await tree.job.waitUntilFinished(events, 60000), 12);
  const counts = await queue.getJobCounts('completed', 'failed', 'wait', 'active');
  assert.deepStrictEqual(counts, { completed: 106, failed: 0, wait: 0, active: 0 });
  await queue.obliterate({ force: true });
  await Promise.all([worker.close(), events.close(), flow.close(), queue.close()]);
}

main().then(() => { console.log('ok'); process.exit(0); }, (error) => { console.error(error); process.exit(1); });
