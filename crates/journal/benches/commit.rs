//! Cost of a batch to the accepting thread: 200 records of 200 bytes staged and written, to a real directory
//! and to memory, and read back from the tail. Figures are CPU time of the thread; divide by 200 for one
//! record.

#![allow(missing_docs, reason = "criterion's macro makes a public function")]

use std::hint::black_box;
use std::sync::Arc;

use criterion::measurement::{Measurement, ValueFormatter};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use nuthatch_journal::{Durability, Journal, Options, OsFiles, ReadOutcome, Recovery};

const RECORDS: usize = 200;

fn batch(journal: &mut Journal, head: &[u8], body: &[u8]) {
    for _ in 0..RECORDS {
        journal.append(1, &[head, body]).expect("fits");
    }
    journal.commit().expect("there is room");
}

/// Keeps the directory from growing: checkpoints and deletes what was written.
fn clean(journal: &mut Journal) {
    let job = journal.checkpoint(journal.end(), Vec::new()).expect("none is under way");
    journal.checkpointed(job.run()).expect("there is room");
    if let Some(job) = journal.release(journal.end()) {
        journal.removed(job.run()).expect("it is ours");
    }
}

fn commit(c: &mut Criterion<CpuTime>) {
    let dir = tempfile::tempdir().expect("temporary directory");
    let (head, body) = ([1u8; 20], [7u8; 180]);
    let open = |name: &str, durability| {
        let options = Options { durability, ..Options::default() };
        let recovery = Recovery::open(Arc::new(OsFiles), &dir.path().join(name), options).expect("new");
        recovery.replay(|_| {}).expect("new").0
    };

    let mut journal = open("os", Durability::Os);
    c.bench_function("append and commit 200 x 200 B, os", |b| {
        b.iter(|| batch(&mut journal, &head, &body));
        clean(&mut journal);
    });
    c.bench_function("append and commit 200 x 200 B, os, and read them at the tail", |b| {
        b.iter(|| {
            let from = journal.end();
            batch(&mut journal, &head, &body);
            let ReadOutcome::Block(block) = journal.read(from) else { panic!("it is cached") };
            for record in block.records() {
                black_box(record.payload);
            }
        });
        clean(&mut journal);
    });
    c.bench_function("append and commit 1 x 200 B, os", |b| {
        b.iter(|| {
            journal.append(1, &[&head, &body]).expect("fits");
            journal.commit().expect("there is room");
        });
        clean(&mut journal);
    });
    let mut journal = Journal::in_memory(Options::default());
    c.bench_function("append and commit 200 x 200 B, memory", |b| {
        b.iter(|| {
            batch(&mut journal, &head, &body);
            journal.release(journal.end());
        });
    });
}

/// CPU time (user and kernel) of this thread, which does not depend on other load on the machine.
struct CpuTime;

impl Measurement for CpuTime {
    type Intermediate = u64;
    type Value = u64;
    fn start(&self) -> u64 {
        on_cpu_ns()
    }
    fn end(&self, start: u64) -> u64 {
        on_cpu_ns() - start
    }
    fn add(&self, a: &u64, b: &u64) -> u64 {
        a + b
    }
    fn zero(&self) -> u64 {
        0
    }
    fn to_f64(&self, value: &u64) -> f64 {
        *value as f64
    }
    fn formatter(&self) -> &dyn ValueFormatter {
        &Nanoseconds
    }
}

fn on_cpu_ns() -> u64 {
    // The kernel updates the figure when the thread yields.
    std::thread::yield_now();
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux");
    text.split(' ').next().and_then(|ns| ns.parse().ok()).expect("three numbers")
}

struct Nanoseconds;

impl ValueFormatter for Nanoseconds {
    fn scale_values(&self, _typical: f64, _values: &mut [f64]) -> &'static str {
        "ns"
    }
    fn scale_throughputs(
        &self,
        _typical: f64,
        _throughput: &Throughput,
        _values: &mut [f64],
    ) -> &'static str {
        "ns"
    }
    fn scale_for_machines(&self, _values: &mut [f64]) -> &'static str {
        "ns"
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().with_measurement(CpuTime);
    targets = commit
}
criterion_main!(benches);
