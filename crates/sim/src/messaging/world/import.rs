//! An nsqd's data directory, imported before the first life, on a disk that stops in the middle.

use std::path::Path;
use std::sync::Arc;

use journal::Files;
use journal::files::Crash;
use net::WallTime;
use queue::Clock;

use super::World;
use crate::messaging::body::{Uid, body};
use crate::messaging::names::is_ephemeral;

impl World {
    /// Creates the directory.
    pub(super) fn leave_behind(&mut self) {
        let Some(count) = self.scenario.left_behind else { return };
        let (now, wall) = (self.now(), self.wall_now());
        let mut topics = Vec::new();
        for mut plan in self.scenario.topics.clone() {
            // Ephemeral channels are left out.
            plan.channels.retain(|name| !is_ephemeral(name));
            if is_ephemeral(&plan.name) {
                continue;
            }
            let channels: Vec<String> = plan
                .channels
                .iter()
                .map(|name| format!("{{\"name\":\"{name}\",\"paused\":false}}"))
                .collect();
            let (name, channels) = (&plan.name, channels.join(","));
            topics.push(format!("{{\"name\":\"{name}\",\"paused\":false,\"channels\":[{channels}]}}"));
            self.oracle.import_topic(name, &plan.channels, now, wall);
            for channel in plan.channels.iter().map(Some).chain([None]) {
                let uids: Vec<Uid> = (self.uid + 1..=self.uid + count).collect();
                self.uid += count;
                let queue = channel.map_or(name.clone(), |channel| format!("{name}:{channel}"));
                self.disk_queue(&queue, &uids);
                self.oracle.import(name, channel.map(String::as_str), &uids, now, wall);
            }
        }
        let metadata = format!("{{\"topics\":[{}],\"version\":\"1.3.0\"}}", topics.join(","));
        self.files.set_content(Path::new("/data/nsqd.dat"), metadata.into_bytes());
    }

    /// Writes messages as nsqd does, each delivered once.
    fn disk_queue(&mut self, name: &str, uids: &[Uid]) {
        let mut data = Vec::new();
        for uid in uids {
            let body = body(*uid, self.scenario.fill_max);
            data.extend_from_slice(&(26 + body.len() as u32).to_be_bytes());
            data.extend_from_slice(&1_600_000_000_000_000_000i64.to_be_bytes());
            data.extend_from_slice(&1u16.to_be_bytes());
            data.extend_from_slice(format!("{uid:016x}").as_bytes());
            data.extend_from_slice(&body);
        }
        let meta = format!("{}\n0,0\n0,{}\n", uids.len(), data.len());
        let file = |what: &str| format!("/data/{name}.diskqueue.{what}");
        self.files.set_content(Path::new(&file("000000.dat")), data);
        self.files.set_content(Path::new(&file("meta.dat")), meta.into_bytes());
    }

    /// Imports the directory. Crashes interrupt it, and every start tries again.
    pub(super) fn take_over(&mut self) {
        let files: Arc<dyn Files> = Arc::new(self.files.clone());
        let clock = Clock { now: self.now(), wall: WallTime(self.wall_now()) };
        loop {
            let broken = self.rng.one_in(2);
            if broken {
                self.files.stop_after(self.rng.between(1, 60));
            }
            let done = queue::import::run(&files, &self.scenario.options, clock);
            if let (Err(why), false) = (&done, broken) {
                return self.oracle.fault(format!("nsqd's data is not taken over: {why}"));
            }
            let crash = if self.rng.one_in(2) { Crash::Power } else { Crash::Process };
            if broken {
                self.files.crash(crash);
            } else {
                self.oracle.report.imports += u64::from(matches!(done, Ok(Some(_))));
                return;
            }
        }
    }
}
