//! Manual changes: carried out, and reported to the log and the admin port. The
//! generation in force keeps its number.

use std::time::Instant;

use admin::actions::ServerChange;
use admin::reload::Outcome;
use config::checked::LogLevel;
use telemetry::{error, info, warn};

use super::{Reloads, micros};
use crate::serving::Serving;

impl Reloads {
    /// Changes a server.
    pub async fn change_server(
        &self,
        serving: &mut Serving,
        (pool, server): (&str, &str),
        change: ServerChange,
        by: &str,
    ) -> Outcome {
        let begun = Instant::now();
        let done = serving.change_server((pool, server), change).await;
        let what = described(change);
        let made = Made {
            line: format!("pool {pool}: server {server} {what}"),
            subject: format!("pool {pool}, server {server}"),
            what,
            by,
        };
        self.conclude(serving, begun, made, done)
    }

    /// Sets the log level.
    pub fn set_log_level(&self, serving: &mut Serving, name: &str, by: &str) -> Outcome {
        let begun = Instant::now();
        let level = LogLevel::of(name.as_bytes())
            .ok_or_else(|| format!("there is no level {name:?}: {}", LogLevel::names().join(", ")));
        let line = format!("log level {name}");
        let made = Made { what: line.clone(), line, subject: "configuration".into(), by };
        let done = level.map(|level| {
            serving.set_log_level(level);
            Vec::new()
        });
        self.conclude(serving, begun, made, done)
    }

    /// Reports to the log and the admin port. Returns the outcome.
    fn conclude(
        &self,
        serving: &Serving,
        begun: Instant,
        made: Made<'_>,
        done: Result<Vec<String>, String>,
    ) -> Outcome {
        let Made { line, subject, what, by } = made;
        let generation = self.generations.generation;
        let mut outcome = Outcome { generation, took_us: micros(begun.elapsed()), ..Outcome::default() };
        match done {
            Ok(doubts) => {
                info!(by, took_us = outcome.took_us, "by hand: {line}");
                for doubt in &doubts {
                    warn!("by hand: {doubt}");
                }
                serving.tell_of(&subject, format!("by hand: {what}, by {by}"));
                serving.show(self.generations.clone());
                outcome.ok = true;
                outcome.changes.push(line);
                outcome.warnings = doubts;
            }
            Err(reason) => {
                error!("by hand: {line}: nothing has changed: {reason}");
                outcome.error = Some(reason);
            }
        }
        outcome
    }
}

/// A change as it is reported.
struct Made<'a> {
    /// Subject and change, for the log and the answer.
    line: String,
    /// Subject of the event.
    subject: String,
    /// The change.
    what: String,
    /// Its author, and the place it comes from.
    by: &'a str,
}

/// A change in words, to follow the name of its server.
fn described(change: ServerChange) -> String {
    match change {
        ServerChange::Eject => "ejected".into(),
        ServerChange::Drain => "drained".into(),
        ServerChange::Return => "returned".into(),
        ServerChange::Weight(Some(weight)) => format!("weight {weight}"),
        ServerChange::Weight(None) => "weight as configured".into(),
    }
}
