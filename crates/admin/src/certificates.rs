//! Certificates in use, and their validity.
//!
//! One that is about to expire is a trouble: [`SOON`] before its end, or with a quarter of its lifetime left
//! if that is less, so that one-day certificates renewed every few hours are no trouble.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;

use crate::facts::wall_ms;
use crate::trouble::Severity;
use ui::format::date;

/// Time before its end at which a certificate of a year or so becomes a trouble.
const SOON: Duration = Duration::from_hours(14 * 24);

/// A certificate, or a file of authorities.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Certificate {
    /// Name of its pool; empty for those of the admin port and of the queue.
    pub pool: String,
    /// Side of its connections.
    pub side: Side,
    /// Option that names its file.
    pub option: &'static str,
    /// The file.
    pub file: String,
    /// Start of its validity, in milliseconds since the Unix epoch.
    pub begins_ms: u64,
    /// End of its validity; for several authorities that of the last one.
    pub ends_ms: u64,
}

/// Side of the connections where a certificate is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// Clients of a pool.
    Clients,
    /// Servers of a pool.
    Servers,
    /// The admin port.
    Admin,
    /// The queue: its clients, and authorization servers.
    Queue,
}

impl Side {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Side::Clients => "clients",
            Side::Servers => "servers",
            Side::Admin => "admin",
            Side::Queue => "queue",
        }
    }
}

/// A certificate that peers refuse, or soon will.
#[derive(Debug, PartialEq, Eq)]
pub struct CertificateFault {
    /// Severity.
    pub severity: Severity,
    /// The fault, with the option and the file.
    pub text: String,
    /// Start of the fault, in milliseconds since the Unix epoch.
    pub since_ms: Option<u64>,
}

impl Certificate {
    /// Subject of its faults, as in troubles.
    pub fn subject(&self) -> String {
        match self.side {
            Side::Clients | Side::Servers => format!("pool {}", self.pool),
            Side::Admin => "admin port".into(),
            Side::Queue => "queue".into(),
        }
    }

    /// Its current fault, if any.
    pub fn fault_now(&self) -> Option<CertificateFault> {
        self.fault(wall_ms())
    }

    /// Its fault at a time.
    pub(crate) fn fault(&self, now_ms: u64) -> Option<CertificateFault> {
        let Certificate { option, file, begins_ms, ends_ms, .. } = self;
        let lifetime = ends_ms.saturating_sub(*begins_ms);
        let soon = (SOON.as_millis() as u64).min(lifetime / 4);
        let (severity, since_ms, text) = if now_ms < *begins_ms {
            (Severity::Critical, None, format!("is not valid before {} UTC", date(*begins_ms)))
        } else if now_ms >= *ends_ms {
            let text = format!("has expired {} ago: it is refused", roughly(now_ms - ends_ms));
            (Severity::Critical, Some(*ends_ms), text)
        } else if now_ms >= ends_ms - soon {
            let text = format!("expires in {}", roughly(ends_ms - now_ms));
            (Severity::Warning, Some(ends_ms - soon), text)
        } else {
            return None;
        };
        Some(CertificateFault { severity, text: format!("{option} {file} {text}"), since_ms })
    }
}

/// A duration in milliseconds, rounded to the largest unit of which there are at least two.
fn roughly(ms: u64) -> String {
    let minutes = ms / 60_000;
    let (number, unit) = match minutes {
        0..120 => (minutes, "minute"),
        120..2880 => ((minutes + 30) / 60, "hour"),
        _ => ((minutes + 720) / 1440, "day"),
    };
    format!("{number} {unit}{}", if number == 1 { "" } else { "s" })
}

/// The certificates in use. A reload replaces them.
#[derive(Debug, Default)]
pub struct Certificates(Mutex<Vec<Certificate>>);

impl Certificates {
    /// Replaces the certificates.
    pub fn set(&self, certificates: Vec<Certificate>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = certificates;
    }

    /// The certificates in use.
    pub fn get(&self) -> Vec<Certificate> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3_600_000;
    const DAY: u64 = 24 * HOUR;

    #[test]
    fn troubles_before_and_after_the_end() {
        let lasting = |days: u64| Certificate {
            pool: "p".into(),
            side: Side::Clients,
            option: "tls.cert",
            file: "web.pem".into(),
            begins_ms: 1000 * DAY,
            ends_ms: (1000 + days) * DAY,
        };
        for (days, now_ms, wanted) in [
            (
                365,
                999 * DAY,
                "Critical tls.cert web.pem is not valid before 1972-09-27 00:00:00 UTC since None",
            ),
            (365, 1000 * DAY, ""),
            (365, 1351 * DAY - 1, ""),
            (365, 1351 * DAY, "Warning tls.cert web.pem expires in 14 days since Some(1351)"),
            (365, 1359 * DAY + HOUR, "Warning tls.cert web.pem expires in 6 days since Some(1351)"),
            (365, 1363 * DAY + HOUR, "Warning tls.cert web.pem expires in 47 hours since Some(1351)"),
            (365, 1365 * DAY - HOUR, "Warning tls.cert web.pem expires in 60 minutes since Some(1351)"),
            (365, 1365 * DAY - 60_000, "Warning tls.cert web.pem expires in 1 minute since Some(1351)"),
            (
                365,
                1365 * DAY,
                "Critical tls.cert web.pem has expired 0 minutes ago: it is refused since Some(1365)",
            ),
            (
                365,
                1374 * DAY,
                "Critical tls.cert web.pem has expired 9 days ago: it is refused since Some(1365)",
            ),
            // Short-lived certificates are renewed late.
            (8, 1006 * DAY - 1, ""),
            (8, 1007 * DAY, "Warning tls.cert web.pem expires in 24 hours since Some(1006)"),
        ] {
            let shown = lasting(days).fault(now_ms).map(|CertificateFault { severity, text, since_ms }| {
                format!("{severity:?} {text} since {:?}", since_ms.map(|ms| ms / DAY))
            });
            assert_eq!(shown.unwrap_or_default(), wanted, "{days} {now_ms}");
        }
        let never = Certificate { begins_ms: 5 * DAY, ends_ms: DAY, ..lasting(1) };
        assert!(never.fault(6 * DAY).is_some_and(|fault| fault.severity == Severity::Critical));
    }

    #[test]
    fn subjects() {
        let of = |side| Certificate {
            pool: if matches!(side, Side::Clients | Side::Servers) { "p".into() } else { String::new() },
            side,
            option: "tls.cert",
            file: String::new(),
            begins_ms: 0,
            ends_ms: 0,
        };
        for (side, name, subject) in [
            (Side::Clients, "clients", "pool p"),
            (Side::Servers, "servers", "pool p"),
            (Side::Admin, "admin", "admin port"),
            (Side::Queue, "queue", "queue"),
        ] {
            assert_eq!((side.name(), &*of(side).subject()), (name, subject));
        }
    }
}
