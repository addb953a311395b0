//! Notices of the proxy: as log lines, and as events on the admin page.

use admin::Severity;
use proxy::Notice;
use telemetry::{error, info, warn};

/// Logs a notice.
pub fn log(notice: &Notice) {
    match notice {
        Notice::Ejected { pool, server, reason } => warn!(%pool, %server, %reason, "server ejected"),
        Notice::Returned { pool, server } => warn!(%pool, %server, "server is back in the ring"),
        Notice::ServerFailed { pool, server, reason } => warn!(%pool, %server, %reason, "server failed"),
        Notice::ServerWorks { pool, server } => info!(%pool, %server, "server works again"),
        Notice::HandshakeRefused { pool, server, answer } => {
            error!(%pool, %server, %answer, "server rejected the handshake: check auth, password and db");
        }
        Notice::ClientOverflow { pool, bytes } => {
            warn!(%pool, bytes = *bytes, "client closed: it does not read its replies");
        }
        Notice::ClientRefused { pool, command } => {
            warn!(%pool, %command, "client closed: later commands depend on one that was refused");
        }
        Notice::ClientTls { pool, reason } => warn!(%pool, "TLS with a client failed: it {reason}"),
        Notice::ReplyCut { pool, server } => {
            warn!(%pool, %server, "client closed: its server was lost in the middle of a large reply");
        }
        Notice::SubscriptionsLost { pool, server, count } => {
            warn!(%pool, %server, count = *count, "subscriptions lost, and made again: messages may be missing");
        }
        Notice::LoginFailed { pool, user, address } => {
            let (user, address) = (shown(user.as_deref(), UNKNOWN), shown(address.as_deref(), "unix"));
            warn!(%pool, %user, %address, "login failed");
        }
        Notice::Starved { error } => {
            error!(%error, "accepting paused: no file descriptor is left; {DESCRIPTORS_REMEDY}");
        }
    }
}

/// Shown instead of an unknown user name, which may be a password.
const UNKNOWN: &str = "(unknown)";

fn shown<'a>(text: Option<&'a str>, absent: &'a str) -> &'a str {
    text.unwrap_or(absent)
}

/// The operator's remedy.
const DESCRIPTORS_REMEDY: &str = "raise the limit (ulimit -n, LimitNOFILE=) or set client_connections";

/// Severity, subject and text for the page.
pub fn event(notice: &Notice) -> (Severity, String, String) {
    let of = |pool: &str, server: &str| format!("pool {pool}, server {server}");
    match notice {
        Notice::Ejected { pool, server, reason } => {
            (Severity::Critical, of(pool, server), format!("ejected: {reason}"))
        }
        Notice::Returned { pool, server } => (Severity::Notice, of(pool, server), "back in the ring".into()),
        Notice::ServerFailed { pool, server, reason } => {
            (Severity::Warning, of(pool, server), format!("failed: {reason}"))
        }
        Notice::ServerWorks { pool, server } => (Severity::Notice, of(pool, server), "works again".into()),
        Notice::HandshakeRefused { pool, server, answer } => {
            let text = format!("rejects our handshake (check auth, password and db): {answer}");
            (Severity::Critical, of(pool, server), text)
        }
        Notice::ClientOverflow { pool, bytes } => {
            let text = format!("a client was closed that had {bytes} bytes of replies to read");
            (Severity::Warning, format!("pool {pool}"), text)
        }
        Notice::ClientRefused { pool, command } => {
            let text =
                format!("a client was closed: '{command}', which was refused, changes what follows it");
            (Severity::Warning, format!("pool {pool}"), text)
        }
        Notice::ClientTls { pool, reason } => {
            (Severity::Warning, format!("pool {pool}"), format!("TLS with a client failed: it {reason}"))
        }
        Notice::ReplyCut { pool, server } => {
            let text = "lost in the middle of a large reply, whose client was closed".into();
            (Severity::Warning, of(pool, server), text)
        }
        Notice::SubscriptionsLost { pool, server, count } => {
            let text = format!("{count} subscriptions lost, and made again: messages may be missing");
            (Severity::Warning, of(pool, server), text)
        }
        Notice::LoginFailed { pool, user, address } => {
            (Severity::Warning, format!("pool {pool}"), failed_login(user.as_deref(), address.as_deref()))
        }
        Notice::Starved { error } => {
            let text =
                format!("accepting paused: no file descriptor is left ({error}); {DESCRIPTORS_REMEDY}");
            (Severity::Critical, "process".into(), text)
        }
    }
}

/// Text of the event of a failed login; an unknown user and a unix socket have no name.
pub fn failed_login(user: Option<&str>, address: Option<&str>) -> String {
    format!("a login as {} from {} failed", shown(user, UNKNOWN), shown(address, "a unix socket"))
}
