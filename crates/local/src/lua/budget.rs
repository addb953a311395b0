//! Limits of one run of a script: steps and time.
//!
//! Steps are instructions of Lua, and what functions of this crate do for a script in their own loops, so
//! that no pattern and no document of JSON is without a bound. Time is wall-clock time, looked at while the
//! steps are counted: what a single instruction or command does is not interrupted.

use std::cell::Cell;
use std::time::{Duration, Instant};

/// Steps of one run.
pub(crate) const STEPS_MAX: u64 = 10_000_000;
/// Longest time of one run.
pub(crate) const TIME_MAX: Duration = Duration::from_secs(1);
/// Instructions between two looks.
pub(crate) const INTERVAL: u32 = 200;
/// Bytes that count as a step where bytes are copied or searched.
const BYTES_PER_STEP: usize = 16;

/// Text of the error at a limit.
pub(crate) const OVER: &str = "ERR the script ran beyond the limits of the embedded cache (10000000 steps, 1 second) and was stopped; \
     what it had written stays";

/// The steps and the time that are left to a script.
#[derive(Debug)]
pub(crate) struct Budget {
    steps: Cell<u64>,
    until: Cell<Instant>,
    is_over: Cell<bool>,
}

/// A limit was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Over;

impl Budget {
    /// That of a run which begins now.
    pub(crate) fn new() -> Budget {
        let budget =
            Budget { steps: Cell::new(0), until: Cell::new(Instant::now()), is_over: Cell::new(false) };
        budget.begin();
        budget
    }

    /// Begins the next run.
    pub(crate) fn begin(&self) {
        self.steps.set(STEPS_MAX);
        self.until.set(Instant::now() + TIME_MAX);
        self.is_over.set(false);
    }

    /// True once a limit was reached in this run.
    pub(crate) fn is_over(&self) -> bool {
        self.is_over.get()
    }

    /// Counts steps.
    pub(crate) fn charge(&self, steps: u64) -> Result<(), Over> {
        let left = self.steps.get().saturating_sub(steps);
        self.steps.set(left);
        if left == 0 || self.is_over.get() {
            self.is_over.set(true);
            return Err(Over);
        }
        Ok(())
    }

    /// Counts bytes that are copied or searched.
    pub(crate) fn charge_bytes(&self, bytes: usize) -> Result<(), Over> {
        self.charge((bytes / BYTES_PER_STEP) as u64 + 1)
    }

    /// Counts steps, and looks at the time.
    pub(crate) fn charge_and_look(&self, steps: u64) -> Result<(), Over> {
        if Instant::now() > self.until.get() {
            self.is_over.set(true);
        }
        self.charge(steps)
    }
}

impl From<Over> for mlua::Error {
    fn from(_: Over) -> mlua::Error {
        mlua::Error::runtime(OVER)
    }
}
