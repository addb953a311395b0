//! Settings of a consumer or a producer.
//!
//! The fields are go-nsq's options, with its defaults; [`Config::set`] takes them as text under go-nsq's
//! names, with its ranges and error texts, since command lines and configuration files use those. The table
//! of names is in [`options`]. Four settings are additions: `max_frame_size`, `max_pending_publishes`,
//! `publish_timeout`, `max_reconnect_delay`.

pub mod options;

mod error;
mod settings;
pub mod tls;
mod value;

use config::go_flags::number::show_duration;

pub use error::ConfigError;
pub use settings::{BackoffStrategy, Config};
pub use tls::TlsOptions;

use options::nanoseconds;

impl Config {
    /// Creates go-nsq's defaults.
    pub fn new() -> Config {
        Config::default()
    }

    /// Sets an option from text, by its name. Dashes in the name count as underscores.
    ///
    /// # Errors
    ///
    /// No such option, a text of the wrong type, or a value out of range. The settings are then unchanged.
    pub fn set(&mut self, option: &str, value: &str) -> Result<(), ConfigError> {
        options::set(self, option, value)
    }

    /// Checks ranges, and the consistency of options. Builders call it.
    ///
    /// # Errors
    ///
    /// Names the first option that is out of range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        options::check_ranges(self)?;
        if let Some(heartbeat) = self.heartbeat_interval.filter(|interval| *interval > self.read_timeout) {
            return Err(ConfigError(format!(
                "HeartbeatInterval {} must be less than ReadTimeout {}",
                show_duration(nanoseconds(heartbeat)),
                show_duration(nanoseconds(self.read_timeout)),
            )));
        }
        if self.snappy && self.deflate {
            return Err(ConfigError("snappy and deflate exclude each other: set one of them".into()));
        }
        Ok(())
    }
}
