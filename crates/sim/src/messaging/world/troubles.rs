//! Disk faults, and steps of the wall clock.

use journal::files::{Fault, Operation};

use super::{Event, World};
use crate::messaging::scenario::{End as LifeEnd, Trouble};

const EIO: i32 = 5;
const ENOSPC: i32 = 28;

impl World {
    pub(super) fn trouble(&mut self, trouble: Trouble) {
        if self.daemon.is_none() || self.healed {
            return;
        }
        self.note_trouble();
        let (skip, times) = (self.rng.below(3), self.rng.between(1, 20));
        match trouble {
            Trouble::Io(operation) => {
                let torn = self.rng.one_in(2);
                self.files.fail(Fault { operation, skip, times: 1 + times / 8, errno: EIO, torn });
            }
            Trouble::Full => {
                let operation = Operation::Write;
                self.files.fail(Fault { operation, skip, times, errno: ENOSPC, torn: true });
            }
            Trouble::Descriptors => {
                let spare = self.rng.below(3) as usize;
                self.files.set_open_max(Some(self.files.open_count() + spare));
                let lasts = self.rng.between(1, 3_000_000);
                self.after(lasts, Event::Relief);
            }
            Trouble::Halt => {
                self.files.stop_after(self.rng.between(1, 12));
                let how = if self.rng.one_in(3) { LifeEnd::Kill } else { self.scenario.worst() };
                let after = self.rng.between(1, 50_000);
                self.after(after, Event::End(how));
            }
        }
    }

    fn note_trouble(&mut self) {
        self.oracle.report.troubles += 1;
        (self.oracle.trouble, self.oracle.excused) = (Some(self.net.now), true);
    }

    pub(super) fn relieve(&mut self) {
        self.files.set_open_max(None);
    }

    pub(super) fn step(&mut self, nanos: i64) {
        if self.healed {
            return;
        }
        self.wall += nanos;
        if let Some(daemon) = &mut self.daemon {
            daemon.shard.looped.wall = self.wall;
        }
        self.oracle.step(nanos);
    }
}
