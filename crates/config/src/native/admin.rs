//! The section `[admin]`.

use std::path::PathBuf;

use super::listeners::Listeners;
use super::sections::Sections;
use crate::checked::{Admin, MetricsLimits};
use crate::fault::Fault;
use crate::options::Scope;
use crate::setting::Setting;
use crate::warnings;

/// Checks the section; `has_operators` if a user has rights at the admin port, which asks for a login then.
pub(super) fn check(
    sections: &Sections<'_>,
    has_operators: bool,
    listeners: &mut Listeners,
    faults: &mut Vec<Fault>,
) -> Option<Admin> {
    let read = sections.read(Scope::Admin, "admin", faults)?;
    let listen = read.listens("listen").pop()?;
    let place = read.place("listen").or(sections.place("admin"));
    listeners.add(&listen, place, faults);
    let http_names = match read.get("http_names") {
        Some(Setting::Texts(names)) => names.clone(),
        _ => Vec::new(),
    };
    // The default is beside the messages, which are read elsewhere.
    let events = read.text("events").map(PathBuf::from);
    let metrics = MetricsLimits {
        topics_max: read.integer("metrics_topics_max") as usize,
        channels_max: read.integer("metrics_channels_max") as usize,
    };
    let admin = Admin { listen, tls: read.tls("tls"), http_names, metrics, events };
    faults.extend(
        warnings::of_admin(&admin, has_operators)
            .into_iter()
            .map(|warning| Fault::warning(place, format!("[admin]: {}", warning.text), warning.help)),
    );
    Some(admin)
}
