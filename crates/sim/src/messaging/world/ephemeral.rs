//! Topics in memory only: none of their data is on the disk, and consumers get their messages while the
//! daemon lives.

use net::Instant;
use queue::queue::{Snapshot, TopicStats};
use queue::request::{Answer, Request};

use super::World;
use super::phases::left;
use crate::messaging::body::uids_in;
use crate::messaging::client::Role;
use crate::messaging::names::is_ephemeral;
use crate::messaging::tamper::Tamper;

const SECOND: u64 = 1_000_000;

impl World {
    /// Checks at the end of a life that no ephemeral topic is on the disk.
    pub(super) fn check_disk(&mut self) {
        if !self.scenario.has_ephemeral_topics() {
            return;
        }
        for path in self.files.paths() {
            let content = self.files.content(&path).unwrap_or_default();
            let mut uids = uids_in(&content).into_iter();
            let written = uids.find(|(_, uid)| self.oracle.in_memory_only.contains(uid));
            let named = path.to_string_lossy().contains("e#ephemeral.");
            if written.is_some() || named {
                let what = written.map_or("a topic".to_owned(), |(_, uid)| format!("message {uid}"));
                self.oracle.fault(format!("{what} is ephemeral, and on the disk in {}", path.display()));
            }
        }
    }

    /// For deliberate bugs: records the present ephemeral channels, and with `kept` also shows the previous
    /// ones.
    pub(super) fn keep_ephemeral(&mut self, snapshot: &mut Snapshot, kept: bool) {
        let topics = snapshot.topics.get_or_insert_default();
        let shown =
            topics.iter().flat_map(|topic| topic.channels.iter().map(|c| (topic.name.clone(), c.clone())));
        let shown = shown.filter(|(_, channel)| is_ephemeral(&channel.name)).collect();
        let seen = std::mem::replace(&mut self.seen_ephemeral, shown);
        for (name, channel) in seen.into_iter().filter(|_| kept) {
            match topics.iter_mut().find(|topic| topic.name == name) {
                Some(topic) if topic.channels.iter().any(|shown| shown.name == channel.name) => {}
                Some(topic) => topic.channels.push(channel),
                None => topics.push(TopicStats { name, channels: vec![channel], ..TopicStats::default() }),
            }
        }
    }

    /// Checks that consumed messages have released their memory.
    fn check_given_back(&mut self, end: Instant) -> Result<(), String> {
        while self.now() < end && self.scenario.is_short_of_memory() {
            self.until(Instant(self.now().0 + 3 * SECOND))?;
            self.look();
            self.complain()?;
            if self.statistics().is_none_or(|snapshot| left(&snapshot) > 0) {
                continue;
            }
            // Idle read buffers are released within a minute or two.
            self.until(Instant(self.now().0 + 130 * SECOND))?;
            let Some(mut snapshot) = self.statistics() else { continue };
            if self.tamper == Some(Tamper::MemoryKept) {
                snapshot.memory_bytes += 48 << 10;
            }
            // If messages are retained for replay, the last part of them stays in memory.
            if !self.keeps_for_replay(&snapshot) {
                self.oracle.check_given_back(&snapshot);
            }
            return self.complain();
        }
        Ok(())
    }

    /// True if a topic retains consumed messages.
    fn keeps_for_replay(&mut self, snapshot: &Snapshot) -> bool {
        let names: Vec<String> = snapshot.topics.iter().flatten().map(|topic| topic.name.clone()).collect();
        names.into_iter().any(|name| {
            let settings = self.ask_now(Request::TopicSettings(name));
            matches!(settings, Some(Answer::TopicSettings(settings)) if settings.retention_seconds > 0)
        })
    }

    /// Checks after chaos that consumers of ephemeral channels get the messages owed.
    pub(super) fn drain_ephemeral(&mut self) -> Result<(), String> {
        if !self.scenario.has_ephemeral_topics() || self.daemon.as_ref().is_none_or(|daemon| daemon.stopping)
        {
            return Ok(());
        }
        self.healed = true;
        let producers = self.clients.iter_mut().filter(|client| matches!(client.role, Role::Producer(_)));
        producers.for_each(|client| client.vanish(&mut self.net));
        self.resume();
        for topic in self.live_topics() {
            let all = is_ephemeral(&topic.name) || self.scenario.is_short_of_memory();
            for channel in topic.channels.into_iter().filter(|channel| all || is_ephemeral(&channel.name)) {
                self.add_client(Role::Drain((topic.name.clone(), channel.name)));
            }
        }
        // The others leave once a new consumer is there, since a channel is deleted with its last one.
        self.until(Instant(self.now().0 + self.scenario.think_ms * 1000 + SECOND))?;
        let others = self.clients.iter_mut().filter(|client| !client.drains());
        others.for_each(|client| client.vanish(&mut self.net));
        let end = Instant(self.now().0 + self.scenario.delay_ms_max * 1000 + 30 * SECOND);
        while let Some(why) = self.oracle.missing_ephemeral() {
            if self.now() >= end {
                return Err(why);
            }
            self.until(Instant(self.now().0 + SECOND))?;
            self.look();
            self.complain()?;
        }
        self.check_given_back(end)
    }
}
