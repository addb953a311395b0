//! Changes made through this API, for the record of the process.
//!
//! Programs create topics and channels by the thousand; those are not recorded, as nothing is lost by them.

use ::http::{Changed, ManualChange};

/// Rows whose requests are recorded, and the change each makes, in nsqadmin's words.
const RECORDED: [(&str, &str); 15] = [
    ("/topic/delete", "delete topic"),
    ("/topic/empty", "empty topic"),
    ("/topic/pause", "pause topic"),
    ("/topic/unpause", "unpause topic"),
    ("/topic/move", "move topic"),
    ("/topic/settings", "configure topic"),
    ("/channel/delete", "delete channel"),
    ("/channel/empty", "empty channel"),
    ("/channel/pause", "pause channel"),
    ("/channel/unpause", "unpause channel"),
    ("/channel/seek", "seek channel"),
    ("/channel/redrive", "redrive channel"),
    ("/channel/settings", "configure channel"),
    ("/damage/acknowledge", "acknowledge damage"),
    ("/config/:opt", "set"),
];

/// The change for the record; None if it is not recorded.
pub(super) fn described(change: &Changed) -> Option<ManualChange> {
    let (words, query) = change.found_in(&RECORDED)?;
    let of_topic = |topic| ManualChange::subject_of(topic, query.text("channel"));
    let subject = query.text("topic").map_or_else(|| "queue".to_owned(), of_topic);
    let option = change.path.ends_with(":opt").then(|| change.uri.path().rsplit('/').next()).flatten();
    let text = option.map_or_else(|| words.to_owned(), |option| format!("{words} {option}"));
    Some(change.record(subject, text))
}

#[cfg(test)]
mod tests {
    use super::super::rows::ROWS;
    use super::*;

    fn change(path: &'static str, uri: &'static str) -> Changed {
        Changed { path, uri: uri.parse().unwrap(), user: None, from: "10.0.0.1".into() }
    }

    #[test]
    fn changes_in_words() {
        for (path, uri, expected) in [
            ("/topic/delete", "/topic/delete?topic=t", Some(("topic t", "delete topic"))),
            (
                "/channel/empty",
                "/channel/empty?topic=t&channel=c",
                Some(("topic t, channel c", "empty channel")),
            ),
            ("/config/:opt", "/config/log_level", Some(("queue", "set log_level"))),
            ("/damage/acknowledge", "/damage/acknowledge", Some(("queue", "acknowledge damage"))),
            ("/topic/create", "/topic/create?topic=t", None),
        ] {
            let change = change(path, uri);
            let found = described(&change);
            assert_eq!(found.as_ref().map(|found| (&*found.subject, &*found.text)), expected, "{uri}");
            assert!(found.is_none_or(|found| (&*found.user, &*found.from) == ("", "10.0.0.1")));
        }
    }

    #[test]
    fn what_is_recorded_is_there() {
        for (path, _) in RECORDED {
            assert!(ROWS.iter().any(|row| format!("{row:?}").ends_with(&format!(" {path}"))), "{path}");
        }
    }
}
