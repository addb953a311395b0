//! The outcome of asking whether a user may run a request, and the words of a refusal, which are those of
//! Redis 7.0.

use wire::redis::Command;

/// May the request be run?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Verdict {
    /// Yes.
    Allowed,
    /// The command may not be run, or not with this first argument.
    Command,
    /// One of the keys may not be read or written in the way the command does.
    Key,
    /// One of the channels may not be published or subscribed to.
    Channel,
    /// `SORT … BY` looks at keys that it does not name, and not all keys may be read.
    SortBy,
    /// `SORT … GET` likewise.
    SortGet,
}

impl Verdict {
    /// True if the request may be run.
    #[inline]
    pub fn is_allowed(self) -> bool {
        self == Verdict::Allowed
    }

    /// The error in Redis' words, with its code: `NOPERM …`. For [`Verdict::Allowed`] it is empty.
    pub fn redis_error(self, command: &Command) -> String {
        let name = command.name;
        match self {
            Verdict::Allowed => String::new(),
            Verdict::Command => format!("NOPERM this user has no permissions to run the '{name}' command"),
            Verdict::Key => {
                "NOPERM this user has no permissions to access one of the keys used as arguments".into()
            }
            Verdict::Channel => {
                "NOPERM this user has no permissions to access one of the channels used as arguments".into()
            }
            Verdict::SortBy => "ERR BY option of SORT denied due to insufficient ACL permissions.".into(),
            Verdict::SortGet => "ERR GET option of SORT denied due to insufficient ACL permissions.".into(),
        }
    }
}
