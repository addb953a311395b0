//! Registrations: the daemon's topics and channels, and their difference from what a peer has registered.
//!
//! Shared by all peers. A change costs the same whatever their number and state; a difference costs one walk
//! over the set.

use std::collections::BTreeSet;
use std::sync::Mutex;

use tokio::sync::watch;

/// A topic, or a topic and a channel.
pub(super) type Registration = (String, Option<String>);

/// The set of all registrations. A channel is never in it without its topic.
#[derive(Debug)]
pub(super) struct Registrations {
    set: Mutex<BTreeSet<Registration>>,
    changed: watch::Sender<()>,
}

impl Default for Registrations {
    fn default() -> Self {
        Registrations { set: Mutex::default(), changed: watch::Sender::new(()) }
    }
}

/// Differences to send to a peer.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Difference {
    pub(super) add: Vec<Registration>,
    pub(super) remove: Vec<Registration>,
}

impl Registrations {
    /// Adds a topic, or a channel and its topic.
    pub(super) fn add(&self, topic: &str, channel: Option<&String>) {
        self.change(|set| {
            let new_topic = set.insert((topic.to_owned(), None));
            let new_channel =
                channel.is_some_and(|channel| set.insert((topic.to_owned(), Some(channel.clone()))));
            new_topic || new_channel
        });
    }

    /// Removes a channel, or a topic with all its channels.
    pub(super) fn remove(&self, topic: &str, channel: Option<&String>) {
        self.change(|set| match channel {
            Some(channel) => set.remove(&(topic.to_owned(), Some(channel.clone()))),
            None => {
                let before = set.len();
                set.retain(|(name, _)| name != topic);
                set.len() < before
            }
        });
    }

    /// Replaces the set by these topics and channels.
    pub(super) fn replace(&self, topics: &[(String, Vec<String>)]) {
        let registrations = topics.iter().flat_map(|(topic, channels)| {
            let channels = channels.iter().map(|channel| (topic.clone(), Some(channel.clone())));
            std::iter::once((topic.clone(), None)).chain(channels)
        });
        let all: BTreeSet<Registration> = registrations.collect();
        self.change(|set| std::mem::replace(set, all) != *set);
    }

    fn change(&self, change: impl FnOnce(&mut BTreeSet<Registration>) -> bool) {
        // a panic while the lock was held is impossible: the closures above do not panic
        let mut set = self.set.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if change(&mut set) {
            self.changed.send_replace(());
        }
    }

    /// Becomes ready after each change.
    pub(super) fn watch(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// Differences for a peer that has `known`, which is then brought up to date. An added topic is left out
    /// if one of its channels is added, and a removed channel if its topic is removed.
    pub(super) fn bring_up(&self, known: &mut BTreeSet<Registration>) -> Difference {
        let set = self.set.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut add: Vec<_> = set.difference(known).cloned().collect();
        let mut remove: Vec<_> = known.difference(&set).cloned().collect();
        drop(set);
        for registration in &add {
            known.insert(registration.clone());
        }
        for registration in &remove {
            known.remove(registration);
        }
        // a topic sorts before its channels
        let mut after = None;
        for index in (0..add.len()).rev() {
            if add[index].1.is_some() {
                after = Some(add[index].0.clone());
            } else if after.as_ref() == Some(&add[index].0) {
                add.remove(index);
            }
        }
        let mut gone = None;
        remove.retain(|(topic, channel)| {
            if channel.is_none() {
                gone = Some(topic.clone());
            }
            channel.is_none() || gone.as_ref() != Some(topic)
        });
        Difference { add, remove }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(difference: Difference) -> String {
        let word = |(topic, channel): &Registration| match channel {
            Some(channel) => format!("{topic}/{channel}"),
            None => topic.clone(),
        };
        let add: Vec<_> = difference.add.iter().map(word).collect();
        let remove: Vec<_> = difference.remove.iter().map(word).collect();
        format!("+{} -{}", add.join(","), remove.join(","))
    }

    #[test]
    fn differences() {
        let registrations = Registrations::default();
        let mut known = BTreeSet::new();
        let watch = registrations.watch();
        let mut check = |expected: &str| assert_eq!(text(registrations.bring_up(&mut known)), expected);
        check("+ -");
        registrations.add("a", None);
        registrations.add("b", Some(&"x".into()));
        registrations.add("b", Some(&"y".into()));
        assert!(watch.has_changed().unwrap());
        check("+a,b/x,b/y -");
        check("+ -");
        registrations.add("b", Some(&"z".into()));
        registrations.remove("b", Some(&"x".into()));
        check("+b/z -b/x");
        registrations.add("a", Some(&"c".into()));
        registrations.remove("b", None);
        check("+a/c -b");
        registrations.remove("a", Some(&"c".into()));
        registrations.add("a", Some(&"c".into()));
        check("+ -");
        registrations.remove("a", None);
        registrations.add("a", None);
        check("+ -a/c");
        registrations.add("d", None);
        registrations.replace(&[("a".into(), vec!["e".into()]), ("f".into(), vec![])]);
        check("+a/e,f -");
    }

    #[test]
    fn what_changes_nothing_wakes_nobody() {
        let registrations = Registrations::default();
        registrations.add("a", Some(&"c".into()));
        let mut watch = registrations.watch();
        watch.mark_unchanged();
        registrations.add("a", None);
        registrations.add("a", Some(&"c".into()));
        registrations.remove("b", None);
        registrations.remove("a", Some(&"d".into()));
        assert!(!watch.has_changed().unwrap());
    }
}
