//! The `tracing` subscriber: filters by level, formats, and queues lines. It keeps no spans.
//!
//! It is a standalone subscriber rather than a layer over a registry, because without spans a registry has
//! nothing to keep. A filtered line costs one relaxed load.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

use jiff::{Timestamp, tz::TimeZone};
use tracing::level_filters::LevelFilter;
use tracing::subscriber::Interest;
use tracing::{Event, Metadata, Subscriber, span};

use super::format::Record;
use super::level::Verbosity;
use super::target::{ALWAYS, SIGNAL};
use super::writer::Queue;

/// Passes events to the log's writer. Clones share everything.
#[derive(Debug, Clone)]
pub struct Logger {
    /// Shared by every clone.
    queue: Arc<Queue>,
    verbosity: Arc<AtomicU8>,
    zone: TimeZone,
}

impl Logger {
    pub(super) fn new(queue: Arc<Queue>, verbosity: Verbosity) -> Logger {
        // The zone is read from the system once, here, not by a shard in the middle of a turn.
        let zone = TimeZone::system();
        Logger { queue, verbosity: Arc::new(AtomicU8::new(verbosity.number())), zone }
    }

    pub(super) fn queue(&self) -> &Arc<Queue> {
        &self.queue
    }

    pub(super) fn verbosity(&self) -> Verbosity {
        Verbosity::new(self.verbosity.load(Relaxed).into())
    }

    pub(super) fn set_verbosity(&self, verbosity: Verbosity) {
        self.verbosity.store(verbosity.number(), Relaxed);
    }
}

impl Subscriber for Logger {
    fn register_callsite(&self, meta: &'static Metadata<'static>) -> Interest {
        if meta.is_event() { Interest::sometimes() } else { Interest::never() }
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        // The verbosity can change and some targets pass at every level, so no level is excluded in advance.
        Some(LevelFilter::TRACE)
    }

    fn enabled(&self, meta: &Metadata<'_>) -> bool {
        meta.is_event()
            && (*meta.level() <= self.verbosity().filter() || [ALWAYS, SIGNAL].contains(&meta.target()))
    }

    fn event(&self, event: &Event<'_>) {
        self.queue.put(Record::of(event).line(self.queue.format(), Timestamp::now(), &self.zone));
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }
    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use super::super::{Destination, Format, Log, Options, Replacement};
    use super::*;

    /// Runs `body` with a log to `path`, then returns the written text.
    fn logged(path: &Path, verbosity: Verbosity, body: impl FnOnce(&Log)) -> String {
        let options = Options {
            destination: Destination::File(path.to_owned()),
            format: Format::Nutcracker,
            verbosity,
            queue_max: 100,
        };
        let (logger, log) = options.open().unwrap().start().unwrap();
        tracing::subscriber::with_default(logger, || body(&log));
        assert!(log.flush(Duration::from_secs(10)));
        std::fs::read_to_string(path).unwrap()
    }

    #[test]
    fn levels_let_pass_what_they_should() {
        let directory = tempfile::tempdir().unwrap();
        for (number, expected) in
            [(0, "as"), (1, "aes"), (4, "aews"), (5, "aews"), (6, "aewis"), (7, "aewids"), (8, "aewidts")]
        {
            let text = logged(&directory.path().join(number.to_string()), Verbosity::new(number), |_| {
                tracing::info!(target: ALWAYS, "a");
                tracing::error!("e");
                tracing::warn!("w");
                tracing::info!("i");
                tracing::debug!("d");
                tracing::trace!("t");
                tracing::info!(target: SIGNAL, "s");
            });
            let got: String = text.lines().map(|line| line.rsplit(' ').next().unwrap()).collect();
            assert_eq!(got, expected, "at {number}");
        }
    }

    #[test]
    fn the_level_can_change_while_running() {
        let directory = tempfile::tempdir().unwrap();
        let text = logged(&directory.path().join("log"), Verbosity::WARN, |log| {
            for verbosity in [log.verbosity(), Verbosity::INFO, Verbosity::OFF] {
                log.set_verbosity(verbosity);
                tracing::info!("at {}", verbosity.number());
            }
        });
        assert_eq!(text.lines().count(), 1);
        assert!(text.ends_with(" at 6\n"), "{text}");
    }

    #[test]
    fn fields_keep_their_types() {
        let directory = tempfile::tempdir().unwrap();
        let text = logged(&directory.path().join("log"), Verbosity::INFO, |_| {
            tracing::info!(n = 3, ok = true, f = 0.5, who = %"a b", what = ?Some(1), "said {}", "it");
        });
        assert!(text.contains(" logger.rs:"), "{text}");
        assert!(text.ends_with(" said it n=3 ok=true f=0.5 who=\"a b\" what=\"Some(1)\"\n"), "{text}");
    }

    #[test]
    fn the_format_can_change_while_running() {
        let directory = tempfile::tempdir().unwrap();
        let text = logged(&directory.path().join("log"), Verbosity::INFO, |log| {
            for format in [Format::Json, Format::Text, Format::Nutcracker] {
                log.set_format(format);
                tracing::info!("one");
            }
        });
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].starts_with('{') && lines[1].contains("Z INFO  "), "{text}");
        assert!(lines[2].contains("Z INFO  "), "{text}");
    }

    #[test]
    fn the_destination_can_change_while_running() {
        let directory = tempfile::tempdir().unwrap();
        let [first, second] = ["first", "second"].map(|name| directory.path().join(name));
        let text = logged(&first, Verbosity::INFO, |log| {
            tracing::info!("one");
            assert!(log.flush(Duration::from_secs(10)));
            log.redirect(Replacement::open(&Destination::File(second.clone())).unwrap());
            tracing::info!("two");
        });
        assert!(text.ends_with(" one\n"), "{text}");
        let text = std::fs::read_to_string(&second).unwrap();
        assert!(text.ends_with(" two\n") && text.lines().count() == 1, "{text}");
        assert!(Replacement::open(&Destination::File(directory.path().join("no/such"))).is_err());
    }

    #[test]
    fn reopening_follows_a_renamed_file() {
        let directory = tempfile::tempdir().unwrap();
        let (path, moved) = (directory.path().join("log"), directory.path().join("log.1"));
        let text = logged(&path, Verbosity::INFO, |log| {
            tracing::info!("one");
            assert!(log.flush(Duration::from_secs(10)));
            std::fs::rename(&path, &moved).unwrap();
            tracing::info!("two");
            assert!(log.flush(Duration::from_secs(10)));
            log.reopen();
            tracing::info!("three");
        });
        assert!(text.ends_with(" three\n") && text.lines().count() == 1, "{text}");
        assert_eq!(std::fs::read_to_string(&moved).unwrap().lines().count(), 2);
    }
}
