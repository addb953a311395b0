//! A full disk: publications are refused, while consumers continue and their FINs free space.

use std::io::ErrorKind;

use super::Queue;
use super::conditions::Subject;
use crate::error::{JournalRefusal, QueueError};
use crate::settings::Durability;

impl Queue {
    /// The reason publications to disk are refused, while the disk is full.
    pub(crate) fn out_of_space(&self) -> Option<&JournalRefusal> {
        self.out_of_space.as_ref()
    }

    /// The error for a publication to disk.
    #[cold]
    pub(crate) fn disk_full(&self) -> QueueError {
        self.out_of_space().cloned().map_or(QueueError::Exiting, QueueError::Journal)
    }

    /// Notes a full disk, if that is the reason. True if there was a reserve to spend: writes other than
    /// publications may then be retried.
    pub(super) fn run_out(&mut self, why: &JournalRefusal) -> bool {
        if !why.is_disk_full() || !self.reserve.spend() {
            return false;
        }
        self.refuse_publications(why.clone());
        true
    }

    /// Creates the reserve at start. If there is existing data and no room for the reserve, the disk counts
    /// as full.
    pub(super) fn put_space_by(&mut self) {
        if self.settings().durability == Durability::Memory {
            return;
        }
        if let Err(error) = self.reserve.keep()
            && !self.topics.is_empty()
            && matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded)
        {
            let why = format!("disk is full: free space, then publish again ({error})");
            self.refuse_publications(JournalRefusal::DiskFull(why));
        }
    }

    /// Tries to restore the reserve: once a second while the disk is full, less often if there never was room
    /// for it.
    pub(super) fn find_space(&mut self, seldom: bool) {
        let seldom = seldom && self.settings().durability != Durability::Memory;
        if self.reserve.is_kept() || !(seldom || self.out_of_space.is_some()) {
            return;
        }
        if self.reserve.keep().is_ok() && self.out_of_space.take().is_some() {
            self.well(&Subject::Disk);
        }
    }

    fn refuse_publications(&mut self, why: JournalRefusal) {
        self.wrong(Subject::Disk, &why);
        self.out_of_space = Some(why);
        self.look_everywhere_for_space();
    }

    fn look_everywhere_for_space(&mut self) {
        for key in self.topics.keys() {
            if let Some(topic) = self.topics.get_mut(key)
                && !topic.in_memory()
            {
                self.written.add(&mut topic.notes.written, key);
            }
        }
    }
}
