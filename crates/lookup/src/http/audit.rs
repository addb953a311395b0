//! Changes made through this API, for the record of the process.
//!
//! Programs create topics and channels by the thousand; those are not recorded, as nothing is lost by them.

use ::http::{Changed, ManualChange};

/// Rows whose requests are recorded, and the change each makes, in nsqadmin's words.
const RECORDED: [(&str, &str); 3] = [
    ("/topic/delete", "delete topic"),
    ("/topic/tombstone", "tombstone topic"),
    ("/channel/delete", "delete channel"),
];

/// The change for the record; None if it is not recorded.
pub(super) fn described(change: &Changed) -> Option<ManualChange> {
    let (words, query) = change.found_in(&RECORDED)?;
    let channel = query.text("channel").filter(|_| change.path.starts_with("/channel/"));
    let subject = ManualChange::subject_of(query.text("topic")?, channel);
    let node = query.text("node").map(|node| format!(" of {node}")).unwrap_or_default();
    Some(change.record(format!("lookup, {subject}"), format!("{words}{node}")))
}

#[cfg(test)]
mod tests {
    use super::super::ROWS;
    use super::*;

    #[test]
    fn changes_in_words() {
        for (path, uri, expected) in [
            ("/topic/delete", "/topic/delete?topic=t", Some(("lookup, topic t", "delete topic"))),
            (
                "/topic/tombstone",
                "/topic/tombstone?topic=t&node=h:4151",
                Some(("lookup, topic t", "tombstone topic of h:4151")),
            ),
            (
                "/channel/delete",
                "/channel/delete?topic=t&channel=c",
                Some(("lookup, topic t, channel c", "delete channel")),
            ),
            ("/topic/create", "/topic/create?topic=t", None),
        ] {
            let change = Changed { path, uri: uri.parse().unwrap(), user: None, from: "10.0.0.1".into() };
            let found = described(&change);
            assert_eq!(found.as_ref().map(|found| (&*found.subject, &*found.text)), expected, "{uri}");
        }
    }

    #[test]
    fn what_is_recorded_is_there() {
        for (path, _) in RECORDED {
            assert!(ROWS.iter().any(|row| format!("{row:?}").ends_with(&format!(" {path}"))), "{path}");
        }
    }
}
