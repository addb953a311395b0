//! The inventory of the data path, kept across restarts: see [`crate::inventory`].
//!
//! The file is read before topics are opened, compared with what is found, and rewritten before any client is
//! served. After that a disk thread writes it once a second at most. Files of a deleted topic stay until the
//! inventory no longer lists the topic, so that a crash in between does not report it as lost.

use journal::{DELETED_SUFFIX, DeleteJob};
use rustc_hash::FxHashSet;

use super::moving::SUFFIX as SUFFIX_MOVING;
use super::store::{SUFFIX, topic_tag};
use super::{Queue, Waiter};
use crate::disk::Job;
use crate::inventory::{Finding, Inventory, Listed, Stored};
use crate::settings::Durability;
use crate::topic::{Found, Known, Topic};

/// Ticks after which the inventory is written even if no topic was created or deleted.
const SELDOM_TICKS: u64 = 3600;
/// Number of topics for which the interval between two writes grows by one tick.
const TOPICS_PER_TICK: usize = 5000;

impl Queue {
    /// Reads the inventory. Must be called before topics are opened.
    pub(super) fn read_inventory(&mut self) {
        let read = Inventory::read(&*self.files, &self.settings().data_path);
        self.kept.exists = !matches!(read, Ok(Stored::Missing));
        let why = match read {
            Ok(Stored::Missing) => return,
            Ok(Stored::Sound(stored)) => {
                self.kept.damage.damage.clone_from(&stored.damage);
                self.kept.stored = stored;
                return;
            }
            Ok(Stored::Damaged) => "it is damaged".to_owned(),
            Err(error) => error.to_string(),
        };
        let text = format!("the inventory cannot be read, so missing topics cannot be noticed: {why}");
        self.find("", text, 0, 0);
    }

    /// Facts known about a topic before it is opened.
    pub(super) fn known(&self, name: &str) -> Known {
        match self.kept.stored.topics.get(name) {
            Some(listed) => Known { tag: listed.tag, end: listed.end },
            None => Known { tag: self.new_tag(name), end: 0 },
        }
    }

    /// Twenty-bit tag for the ids of a new topic's messages, different from that of an earlier topic of this
    /// name.
    pub(super) fn new_tag(&self, name: &str) -> u32 {
        let tag = topic_tag(name, self.clock.wall);
        tag ^ u32::from(self.kept.gone.get(name) == Some(&tag))
    }

    /// Records damage, and reports it unless it was acknowledged before.
    pub(super) fn find(&mut self, topic: &str, text: String, messages: u64, bytes: u64) {
        let inventory = &mut self.kept.damage;
        if !inventory.is_acknowledged(topic, &text) {
            telemetry::error!(topic, damage = text, messages, bytes, "journal is damaged");
        }
        let found = self.clock.wall.0;
        let topic = topic.to_owned();
        self.kept.due |= inventory.note(Finding { topic, text, messages, bytes, found, acknowledged: false });
    }

    /// Records the findings of opening a topic.
    pub(super) fn find_all(&mut self, topic: &Topic<Waiter>, found: &Found) {
        let name = &*topic.name;
        let journal = &found.journal;
        for damage in &journal.damage {
            self.find(name, damage.to_string(), 0, damage.bytes());
        }
        let more = journal.damages - journal.damage.len() as u64;
        if more > 0 {
            self.find(name, format!("{more} more places"), 0, 0);
        }
        // Distinguishes one loss from the next.
        let place = journal.damage.first().map_or(topic.end(), |damage| damage.from.0);
        for (channel, messages) in &found.lost {
            let text = format!(
                "channel {channel}: {messages} unfinished messages are lost, the first behind {place}"
            );
            self.find(name, text, *messages, 0);
        }
        if found.lost_elsewhere > 0 {
            let text =
                format!("{} messages that waited are lost, the first behind {place}", found.lost_elsewhere);
            self.find(name, text, found.lost_elsewhere, 0);
        }
        if found.unknown > 0 {
            telemetry::error!(
                topic = name,
                records = found.unknown,
                "records of an unknown kind skipped: another version wrote them"
            );
        }
        self.find_cut(topic, found);
    }

    /// Records a truncated end: after a crash the end may be torn, after a clean stop it may not.
    fn find_cut(&mut self, topic: &Topic<Waiter>, found: &Found) {
        let (name, bytes) = (&*topic.name, found.journal.truncated_bytes);
        let clean = self.kept.stored.clean;
        if bytes > 0 && !clean {
            telemetry::warn!(topic = name, bytes, "cut off a torn tail, as a crash may leave it");
        }
        let Some(listed) = self.kept.stored.topics.get(name).filter(|_| clean).cloned() else { return };
        if bytes > 0 {
            self.find(
                name,
                format!("the end is torn: {bytes} bytes before {} are cut off", topic.end()),
                0,
                bytes,
            );
        }
        let fewer = listed.messages.saturating_sub(topic.unfinished());
        let told = found.lost_elsewhere + found.lost.iter().map(|(_, messages)| messages).sum::<u64>();
        if fewer > 0 && told == 0 {
            let text = format!("{fewer} messages fewer than when it was stopped, at {}", listed.end);
            self.find(name, text, fewer, 0);
        }
    }

    /// Compares the stored inventory with the opened topics, and writes it. `deleted` names topics whose
    /// deletion is under way.
    pub(super) fn compare_inventory(&mut self, deleted: &[String]) {
        let stored = std::mem::take(&mut self.kept.stored);
        let deleted: FxHashSet<&str> = deleted.iter().filter_map(|name| deleted_topic(name)).collect();
        for (name, listed) in &stored.topics {
            if self.topics.find(name).is_none() && !deleted.contains(&**name) {
                let text = format!("its files are gone; {} messages waited in it", listed.messages);
                self.find(name, text, listed.messages, listed.end);
                self.kept.gone.insert(name.clone(), listed.tag);
            }
        }
        let now = self.inventory(false);
        if now == stored || (!self.kept.exists && now.topics.is_empty()) {
            return;
        }
        let written = now.write_job(self.files.clone(), &self.settings().data_path).run();
        self.kept.exists |= written.is_ok();
        self.kept.due = written.is_err();
        self.note_inventory(written);
    }

    fn inventory(&self, clean: bool) -> Inventory {
        let with_files = self.topics.iter().filter(|(_, topic)| !topic.in_memory());
        let topics = with_files.map(|(_, topic)| {
            let unsafe_bytes = match topic.journal.options().durability {
                Durability::Fsync => topic.journal.bytes_at_risk(),
                _ => 0,
            };
            let end = topic.end().saturating_sub(unsafe_bytes);
            // Its files have the name that it had before.
            let name = topic.name.strip_suffix(SUFFIX_MOVING).filter(|_| topic.settings.moving);
            let name = name.unwrap_or(&topic.name).to_owned();
            (name, Listed { tag: topic.tag(), end, messages: topic.unfinished() })
        });
        // With `fsync`, nothing is promised that is not on the device yet.
        let topics = topics.filter(|(_, listed)| listed.end > 0);
        Inventory { clean, topics: topics.collect(), damage: self.kept.damage.damage.clone() }
    }

    /// Notes that the set of topics has changed.
    pub(super) fn topics_changed(&mut self) {
        self.kept.due = true;
    }

    /// Deletes a topic's files once the inventory no longer lists it.
    pub(super) fn delete_files(&mut self, job: DeleteJob) {
        if self.kept.exists && !self.stopping {
            self.kept.deletions.push(job);
            self.kept.due = true;
        } else {
            self.submit(Job::Delete(job));
        }
    }

    /// Writes the inventory if it is due. Called once a second.
    pub(super) fn keep_inventory(&mut self) {
        let pause = 1 + (self.topics.len() / TOPICS_PER_TICK) as u64;
        let due = self.kept.due && self.ticks >= self.kept.written + pause;
        if !self.kept.writing && (due || self.ticks >= self.kept.written + SELDOM_TICKS) {
            self.write_inventory(false);
        }
    }

    /// Writes the inventory at a stop, after everything else.
    pub(super) fn close_inventory(&mut self) {
        self.write_inventory(true);
    }

    fn write_inventory(&mut self, clean: bool) {
        let inventory = self.inventory(clean);
        self.kept.due = false;
        self.kept.written = self.ticks;
        if self.kept.exists || !inventory.topics.is_empty() || !inventory.damage.is_empty() {
            self.kept.writing = true;
            self.kept.exists = true;
            let job = inventory.write_job(self.files.clone(), &self.settings().data_path);
            self.submit(Job::Inventory(job));
        }
        for job in std::mem::take(&mut self.kept.deletions) {
            self.submit(Job::Delete(job));
        }
    }

    pub(super) fn inventory_done(&mut self, written: std::io::Result<()>) {
        self.kept.writing = false;
        self.kept.due |= written.is_err();
        self.note_inventory(written);
    }

    fn note_inventory(&mut self, written: std::io::Result<()>) {
        let error = written.err().map(|error| error.to_string());
        if let Some(error) = error.as_deref().filter(|error| self.kept.error.as_deref() != Some(error)) {
            telemetry::error!(error, "inventory cannot be written: retrying");
        }
        self.kept.error = error;
    }

    /// Damage that was found.
    pub(super) fn damage(&self) -> &Inventory {
        &self.kept.damage
    }

    /// Acknowledges all findings and returns their number.
    pub(super) fn acknowledge_damage(&mut self) -> u64 {
        self.kept.due = true;
        self.kept.damage.acknowledge()
    }
}

/// The topic whose files have this name during their deletion.
fn deleted_topic(name: &str) -> Option<&str> {
    let name = name.strip_suffix(DELETED_SUFFIX)?;
    name.rsplit_once('.').and_then(|(directory, _)| directory.strip_suffix(SUFFIX))
}
