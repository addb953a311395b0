//! Listening addresses of a file: none may occur twice.
//!
//! Port 0 may, since the system picks another port each time.

use crate::checked::Listen;
use crate::endpoint::show_listen;
use crate::fault::{Fault, Position};

/// Every address of the file, to find duplicates.
#[derive(Default)]
pub(super) struct Listeners {
    seen: Vec<(String, Option<Position>)>,
}

impl Listeners {
    pub(super) fn add(&mut self, listen: &Listen, at: Option<Position>, faults: &mut Vec<Fault>) {
        if matches!(listen, Listen::Tcp { port: 0, .. }) {
            return;
        }
        let shown = match listen {
            Listen::Unix { path, .. } => path.display().to_string(),
            tcp @ Listen::Tcp { .. } => show_listen(tcp),
        };
        match self.seen.iter().find(|(other, _)| *other == shown) {
            Some((_, first)) => {
                let first = first.map(|p| format!(" (first on line {})", p.line)).unwrap_or_default();
                faults.push(Fault::error(
                    at,
                    format!("{shown} is listened on twice{first}"),
                    "change one of the two",
                ));
            }
            None => self.seen.push((shown, at)),
        }
    }
}
