//! Power cuts, replayed: a run is recorded once, change by change and flush by flush (`recorder.rs`), then
//! the power is cut at every point of it, with every kind of outcome that a disk allows (`device.rs`). The
//! queue is opened on the remains (`found.rs`) and compared with what its clients knew by then (`ledger.rs`).
//!
//! The run (`driver.rs`) publishes with and without delay, finishes, requeues, gives up (dead letters),
//! redrives, deletes, creates again, under `fsync` and `os`, with small segments, while the disk runs its
//! jobs one at a time in any order. Another run begins with the data directory of an nsqd.

#[path = "shard/harness.rs"]
#[allow(dead_code, reason = "another test uses the rest")]
mod harness;

#[path = "power_cuts/device.rs"]
mod device;
#[path = "power_cuts/driver.rs"]
mod driver;
#[path = "power_cuts/found.rs"]
mod found;
#[path = "power_cuts/ledger.rs"]
mod ledger;
#[path = "power_cuts/names.rs"]
mod names;
#[path = "power_cuts/nsqd.rs"]
mod nsqd;
#[path = "power_cuts/recorder.rs"]
mod recorder;

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::RangeInclusive;
use std::sync::Arc;

use device::{Device, Image, Keep, Random, mount};
use driver::{Run, run, run_after_import};
use found::{Found, look};
use ledger::{Fault, Ledger};
use recorder::{Flush, Lie, Recorder};

/// Steps of a run: about two hundred changes and flushes.
const STEPS: usize = 60;
/// Random outcomes at each point, besides the extremes.
const CHOICES: usize = 4;
/// One in this many states is opened with a recorder, for a second power cut.
const AGAIN: usize = 20;

/// Runs per test: 2, or `NUTHATCH_POWER_CUT_SEEDS`.
fn seeds() -> RangeInclusive<u64> {
    let count = std::env::var("NUTHATCH_POWER_CUT_SEEDS").ok().and_then(|count| count.parse().ok());
    1..=count.unwrap_or(2)
}

/// Outcome of the replay of a run.
#[derive(Debug, Default)]
struct Report {
    states: usize,
    /// States reported to the operator as damaged.
    alarms: usize,
    /// Faults, each with the point of the cut and the changes kept.
    faults: Vec<(usize, Keep, Fault)>,
}

struct Replay<'a> {
    ledger: &'a Ledger,
    random: Random,
    /// Results by state, so that each state is examined once.
    seen: BTreeMap<(u64, i64), Found>,
    report: Report,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Until {
    TheEnd,
    /// A point with a fault.
    Faulty,
}

/// Cuts the power at every point of the run.
fn replay(run: &Run, seed: u64, until: Until) -> Report {
    let ops = run.recorder.ops();
    let mut device = Device::new();
    ops[..run.start].iter().for_each(|op| device.apply(op));
    let mut replay = Replay {
        ledger: &run.ledger,
        random: Random(seed),
        seen: BTreeMap::new(),
        report: Report::default(),
    };
    for cut in run.start..=ops.len() {
        replay.cut(&device, cut);
        if until == Until::Faulty && !replay.report.faults.is_empty() {
            break;
        }
        if let Some(op) = ops.get(cut) {
            device.apply(op);
        }
    }
    replay.report
}

impl Replay<'_> {
    fn cut(&mut self, device: &Device, cut: usize) {
        let extremes = [Keep::Everything, Keep::Nothing, Keep::Contents, Keep::Names];
        let kinds = extremes.into_iter().chain(std::iter::repeat_n(Keep::Some, CHOICES));
        // With everything flushed there is only one outcome.
        for keep in kinds.take(if device.is_open() { usize::MAX } else { 1 }) {
            let image = device.lose_power(keep, &mut self.random);
            self.judge(&image, cut, keep);
        }
    }

    fn judge(&mut self, image: &Image, cut: usize, keep: Keep) {
        let wall = self.ledger.time_at(cut);
        let mut hasher = DefaultHasher::new();
        image.hash(&mut hasher);
        let state = (hasher.finish(), wall);
        if !self.seen.contains_key(&state) {
            let found = self.open(image, cut, wall);
            self.report.states += 1;
            self.report.alarms += usize::from(found.is_alarmed);
            self.seen.insert(state, found);
        }
        let faults = self.ledger.judge(cut, keep == Keep::Everything, &self.seen[&state]);
        self.report.faults.extend(faults.into_iter().map(|fault| (cut, keep, fault)));
    }

    /// Opens the queue on the remains. Now and then the power is cut again meanwhile.
    fn open(&mut self, image: &Image, cut: usize, wall: i64) -> Found {
        let files = mount(image);
        if self.random.below(AGAIN) > 0 {
            return look(&files, Arc::new(files.clone()), wall);
        }
        let recorder = Recorder::new(files.clone(), None);
        let start = recorder.length();
        let found = look(&files, Arc::new(recorder.clone()), wall);
        let ops = recorder.ops();
        for _ in 0..CHOICES {
            let again = start + self.random.below(ops.len() - start + 1);
            let mut device = Device::new();
            ops[..again].iter().for_each(|op| device.apply(op));
            let files = mount(&device.lose_power(Keep::Some, &mut self.random));
            let found = look(&files, Arc::new(files.clone()), wall);
            self.report.states += 1;
            let faults = self.ledger.judge(cut, false, &found);
            self.report.faults.extend(faults.into_iter().map(|fault| (cut, Keep::Some, fault)));
        }
        found
    }
}

#[track_caller]
fn holds(what: &str, run: impl Fn(u64) -> Run) {
    let mut states = 0;
    for seed in seeds() {
        let report = replay(&run(seed), seed, Until::TheEnd);
        states += report.states;
        let first: Vec<String> = report.faults.iter().take(12).map(|fault| format!("{fault:?}")).collect();
        assert!(
            first.is_empty(),
            "{what}, seed {seed}: {} faults\n{}",
            report.faults.len(),
            first.join("\n")
        );
        assert_eq!(report.alarms, 0, "{what}, seed {seed}: a power cut is no damage");
    }
    println!("{what}: {states} states of the device");
    assert!(states > 100, "{what}: {states} states");
}

#[test]
fn whenever_the_power_goes_nothing_that_was_acknowledged_is_lost() {
    holds("a run", |seed| run(seed, STEPS, None));
}

#[test]
fn whenever_the_power_goes_an_import_loses_nothing() {
    holds("a run after an import", |seed| run_after_import(seed, STEPS / 2, None));
}

type Runs = fn(u64, usize, Option<Lie>) -> Run;

/// The first seed that shows the effect of a missing flush, and the faults found.
#[track_caller]
fn noticed(lie: Lie, runs: Runs) -> (u64, Vec<Fault>) {
    let show = |seed| {
        let faults = replay(&runs(seed, STEPS, Some(lie)), seed, Until::Faulty).faults;
        (!faults.is_empty()).then(|| (seed, faults.into_iter().map(|(_, _, fault)| fault).collect()))
    };
    (1..=8).find_map(show).unwrap_or_else(|| panic!("{lie:?} is not noticed"))
}

/// The queue believes that the dead-letter topic is on the device, and writes and flushes FIN at the source:
/// what it did before it waited.
#[test]
fn a_source_that_forgets_before_its_dead_letter_topic_has_it_is_noticed() {
    let lie = Lie { of: "dead.topic", what: Flush::File, late: Some(6) };
    let (seed, faults) = noticed(lie, run);
    println!("{lie:?}: seed {seed}, {faults:?}");
    for fault in faults {
        assert!(matches!(&fault, Fault::Lost(what) if what.ends_with("of t/c")), "{fault:?}");
    }
}

#[test]
fn every_flush_is_needed() {
    let table: [(&str, Flush, Runs); 8] = [
        ("t.topic", Flush::File, run),
        ("t.topic", Flush::Names, run),
        ("topics", Flush::Names, run),
        ("passing.topic", Flush::File, run),
        ("os.topic", Flush::File, run),
        ("checkpoint", Flush::File, run),
        ("importing", Flush::File, run_after_import),
        ("importing", Flush::Names, run_after_import),
    ];
    for (of, what, runs) in table {
        let lie = Lie { of, what, late: None };
        let (seed, faults) = noticed(lie, runs);
        println!("{lie:?}: seed {seed}, {:?}", faults[0]);
    }
}
