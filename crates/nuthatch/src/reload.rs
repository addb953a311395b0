//! Reload of the configuration, all or nothing.
//!
//! ```text
//! SIGHUP, SIGUSR1, POST /api/reload, nuthatch reload
//!   ▸ the file is read and checked whole (source)
//!   ▸ config::change: changes that need a restart wait (in_force); the list of changes is computed in parallel
//!   ▸ Serving::prepare: names, files, sockets ── any fault: the generation in force stays, and the fault is reported
//!   ▸ Serving::take: shards by mail, each acknowledges; queue, ports, log
//!   ▸ the next generation is in force: log, /metrics, page, answer
//! ```
//! Reloads run one at a time, while the control loop keeps handling signals; a reload
//! and an upgrade wait for each other.

pub mod actor;
mod by_hand;
pub mod command;
pub mod source;

use std::sync::Arc;
use std::time::{Duration, Instant};

use admin::reload::{Failure, Generations, Outcome};
use admin::{Severity, wall_ms};
use config::change::{self, Change};
use config::checked::Config;
use config::options::Applies;
use config::show::Basis;
use telemetry::{error, info, warn};
use tokio::task::JoinHandle;

use crate::serving::{Serving, Step};
use source::{Loaded, Source};

/// Most changes listed in one event of the page; the log lists all.
const CHANGES_TOLD_MAX: usize = 10;

/// A reload that is ready to be applied.
struct Ready {
    /// The configuration as read.
    config: Arc<Config>,
    /// The text behind it.
    basis: Basis,
    changes: Changes,
    step: Step,
}

/// The list of changes, computed on its own thread: counting the keys that move is slow.
struct Changes {
    /// Changes between the two configurations.
    listed: JoinHandle<Vec<Change>>,
    /// Changes of file contents alone, a line each.
    renewed: Vec<String>,
}

impl Changes {
    /// One line per change, and true if at least one applies without a restart.
    async fn told(self) -> Result<(Vec<String>, bool), String> {
        let listed = self.listed.await.map_err(|error| error.to_string())?;
        let applies =
            !self.renewed.is_empty() || listed.iter().any(|change| change.applies != Applies::Restart);
        Ok((listed.iter().map(ToString::to_string).chain(self.renewed).collect(), applies))
    }
}

/// Configuration generations of this process, and the source of the next one.
pub struct Reloads {
    source: Source,
    generations: Generations,
    /// The configuration as last read, and what from.
    read: Option<(Arc<Config>, Basis)>,
}

impl Reloads {
    /// Starts with the first generation in force.
    pub async fn begin(source: Source, serving: &Serving) -> Reloads {
        let generations = Generations { generation: 1, since_ms: wall_ms(), ..Generations::default() };
        let read = reread(&source, serving.config()).await;
        let reloads = Reloads { source, generations, read };
        reloads.show(serving);
        reloads
    }

    /// Publishes the generation in force and its settings.
    fn show(&self, serving: &Serving) {
        let unknown = || (Arc::clone(serving.config()), Basis::Unknown);
        let (wanted, basis) = self.read.clone().unwrap_or_else(unknown);
        serving.show_settings(config::show::rows(serving.config(), &wanted, &basis));
        serving.show(self.generations.clone());
    }

    /// Reads the configuration again and applies it, or only reports what would change. `called_off` cancels
    /// it while nothing has changed yet.
    pub async fn run(
        &mut self,
        serving: &mut Serving,
        dry_run: bool,
        called_off: impl Future<Output = ()>,
    ) -> Outcome {
        let generation = self.generations.generation;
        let mut outcome = Outcome { dry_run, generation, ..Outcome::default() };
        match self.attempt(serving, &mut outcome, called_off).await {
            Ok(()) => outcome.ok = true,
            Err(reason) => outcome.error = Some(reason),
        }
        if !dry_run {
            self.tell(serving, &outcome);
        }
        outcome
    }

    async fn attempt(
        &mut self,
        serving: &mut Serving,
        outcome: &mut Outcome,
        called_off: impl Future<Output = ()>,
    ) -> Result<(), String> {
        let begun = Instant::now();
        let ready = tokio::select! {
            ready = self.prepare(serving, outcome) => ready?,
            () = called_off => return Err("the process is stopping".into()),
        };
        let Some(Ready { config, basis, changes, step }) = ready else { return Ok(()) };
        outcome.warnings.extend(serving.take(step).await?);
        outcome.took_us = micros(begun.elapsed());
        let applies;
        (outcome.changes, applies) = changes.told().await?;
        self.succeeded(serving.config(), &config, applies);
        self.read = Some((config, basis));
        outcome.generation = self.generations.generation;
        Ok(())
    }

    /// Performs every step that changes nothing yet; None if there is nothing more to do.
    async fn prepare(&self, serving: &Serving, outcome: &mut Outcome) -> Result<Option<Ready>, String> {
        let source = self.source.clone();
        outcome.file = source.file.as_ref().map(|file| file.display().to_string());
        let read = tokio::task::spawn_blocking(move || source.read());
        let Loaded { config, warnings, basis } = read.await.map_err(|error| error.to_string())??;
        outcome.warnings = warnings;
        let (old, config) = (Arc::clone(serving.config()), Arc::new(config));
        let in_force = change::in_force(&old, &config);
        let new = Arc::clone(&config);
        let listed = tokio::task::spawn_blocking(move || change::changes(&old, &new));
        let mut files = serving.read_files(&in_force).await?;
        let changes = Changes { listed, renewed: std::mem::take(&mut files.renewed) };
        if outcome.dry_run {
            outcome.changes = changes.told().await?.0;
            return Ok(None);
        }
        let step = serving.prepare(in_force, files).await?;
        Ok(Some(Ready { config, basis, changes, step }))
    }

    /// Records a successful reload: `in_force` is what runs, `wanted` what was read.
    fn succeeded(&mut self, in_force: &Config, wanted: &Config, applies: bool) {
        let generations = &mut self.generations;
        generations.failure = None;
        generations.needs_restart =
            change::changes(in_force, wanted).iter().map(ToString::to_string).collect();
        if applies {
            generations.generation += 1;
            generations.since_ms = wall_ms();
        }
    }

    /// Reports the outcome to the log and the admin port.
    fn tell(&mut self, serving: &Serving, outcome: &Outcome) {
        let Outcome { generation, took_us, .. } = *outcome;
        for warning in &outcome.warnings {
            warn!("configuration: {warning}");
        }
        if let Some(reason) = &outcome.error {
            for line in reason.lines().filter(|line| !line.trim().is_empty()) {
                error!("configuration: {line}");
            }
            error!(generation, "reload failed: the configuration in force is unchanged");
            serving.tell(Severity::Warning, format!("reload failed: {reason}"));
            self.generations.failure = Some(Failure { at_ms: wall_ms(), error: reason.clone() });
        } else {
            for change in &outcome.changes {
                info!("configuration: {change}");
            }
            let (changes, restart) = (outcome.changes.len(), self.generations.needs_restart.len());
            info!(generation, changes, needs_restart = restart, took_us, "configuration reloaded");
            if changes > 0 {
                let told =
                    outcome.changes.iter().take(CHANGES_TOLD_MAX).cloned().collect::<Vec<_>>().join("; ");
                let more = changes.saturating_sub(CHANGES_TOLD_MAX);
                let more = if more > 0 { format!("; and {more} more") } else { String::new() };
                serving.tell(Severity::Notice, format!("configuration reloaded: {told}{more}"));
            }
        }
        self.show(serving);
    }
}

/// The configuration in force with the text behind it, for the places of its options: read once more. None if
/// it has changed since the start, or cannot be read twice, as a pipe.
async fn reread(source: &Source, in_force: &Config) -> Option<(Arc<Config>, Basis)> {
    if source.file.as_ref().is_some_and(|file| !file.is_file()) {
        return None;
    }
    let again = source.clone();
    let read = tokio::task::spawn_blocking(move || again.read()).await.ok()?;
    let Loaded { config, basis, .. } = read.ok()?;
    (config == *in_force).then(|| (Arc::new(config), basis))
}

/// Formats an outcome as lines for people. The error is the reason nothing has changed.
///
/// # Errors
/// Nothing has changed; the error is the reason.
pub fn lines(outcome: &Outcome) -> Result<String, String> {
    let warnings = outcome.warnings.iter().map(|warning| format!("{warning}\n"));
    let mut text: String = warnings.collect();
    if let Some(reason) = outcome.error.as_ref().filter(|_| !outcome.ok) {
        return Err(text + reason.trim_end());
    }
    text.extend(outcome.changes.iter().map(|change| format!("{change}\n")));
    let generation = outcome.generation;
    text += &match (outcome.changes.len(), outcome.dry_run) {
        (0, _) => format!("nothing changes: generation {generation} is in force"),
        (_, true) => format!("not applied: generation {generation} is in force"),
        (_, false) => {
            let took = outcome.took_us / 1000;
            format!("reloaded in {took} ms: generation {generation} is in force")
        }
    };
    Ok(text)
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
