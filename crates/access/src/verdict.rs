//! Verdict on a user's request, and the error texts of Redis 7.0.

use wire::redis::Command;

/// The verdict on a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Verdict {
    /// The request may be run.
    Allowed,
    /// The command, or this first argument of it, is not allowed.
    Command,
    /// The command's access to one of the keys is not allowed.
    Key,
    /// One of the channels may not be published or subscribed to.
    Channel,
    /// `SORT … BY` reads keys that it does not name, and not all keys may be read.
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

    /// Redis' error text, with its code: `NOPERM …`. Empty for [`Verdict::Allowed`].
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
