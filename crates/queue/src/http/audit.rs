//! Changes made through this API, for the record of the process.
//!
//! Programs create topics and channels by the thousand; those are not recorded, as nothing is lost by them.

use ::http::{Changed, ManualChange, Query};

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
pub(super) fn described(change: &Changed) -> Option<ManualChange<'_>> {
    let (path, words) = RECORDED.iter().find(|(path, _)| *path == change.path)?;
    let query = Query::parse(change.uri.query().unwrap_or_default()).ok()?;
    let subject = match (query.text("topic"), query.text("channel")) {
        (Some(topic), Some(channel)) => format!("topic {topic}, channel {channel}"),
        (Some(topic), None) => format!("topic {topic}"),
        (None, _) => "queue".into(),
    };
    let option = path.ends_with(":opt").then(|| change.uri.path().rsplit('/').next()).flatten();
    Some(ManualChange {
        subject,
        text: option.map_or_else(|| (*words).to_owned(), |option| format!("{words} {option}")),
        user: change.user.as_ref().map_or("", |user| user.name()),
        from: &change.from,
    })
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
            assert!(found.is_none_or(|found| (found.user, found.from) == ("", "10.0.0.1")));
        }
    }

    #[test]
    fn what_is_recorded_is_there() {
        for (path, _) in RECORDED {
            assert!(ROWS.iter().any(|row| format!("{row:?}").ends_with(&format!(" {path}"))), "{path}");
        }
    }
}
