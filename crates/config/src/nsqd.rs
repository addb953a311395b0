//! nsqd's flags, file and texts. The resulting settings are a [`Queue`], as for `[queue]` of the native file.
//!
//! ```text
//! arguments ─▶ go_flags::parse ─┐
//! nsqd.cfg ──▶ file::read ──────┼─▶ resolve (flag > file > default) ─▶ check ─▶ Nsqd (Queue, log)
//! [queue] ──▶ native ───────────┘
//! ```
//! Texts are nsqd's. An error that nsqd finds only while it starts (such as a bad port) is a [`Refusal`] that
//! follows its first two log lines; the face prints them first.

mod settings;

mod check;
pub mod file;
pub mod flags;
pub mod machine;
pub mod pem;

use crate::checked::Queue;
use crate::go_flags::{self, Exit, GoValues};
use crate::nsq_program::Program;

pub use crate::nsq_program::{VERSION, version_line};
pub use check::{check, go_listen};
pub use settings::{Nsqd, Refusal};

/// Default of a flag as `-h` shows it, including host name and node id.
pub fn show_default(flag: &go_flags::FlagSpec) -> String {
    match flag.name {
        "broadcast-address" => machine::hostname(),
        "node-id" => machine::node_id(&machine::hostname()).to_string(),
        _ => flag.default.to_string(),
    }
}

/// nsqd and its flags.
pub const PROGRAM: Program = Program { name: "nsqd", flags: flags::FLAGS, show_default };

/// Reads a command line (without the program's name) and the file that it names.
///
/// # Errors
///
/// Text to print and exit status, for `-h`, `-version`, and any fault.
pub fn from_arguments(arguments: &[String]) -> Result<GoValues, Exit> {
    PROGRAM.from_arguments(arguments)
}

/// Checks the text of a file, as if nsqd were started with it alone.
///
/// # Errors
///
/// nsqd's error.
pub fn check_text(text: &str) -> Result<Queue, String> {
    let checked = check(&resolve(GoValues::new(), read_text(text)?));
    checked.map(|nsqd| nsqd.queue).map_err(|refusal| refusal.text)
}

/// The flags set by the text of a file.
///
/// # Errors
///
/// nsqd's error.
pub fn read_text(text: &str) -> Result<GoValues, String> {
    file::parse(text, flags::FLAGS).map_err(|exit| exit.text().to_owned())
}

/// Merges the values: flags win over the file, the file over defaults; every flag then has a value.
pub fn resolve(given: GoValues, file: GoValues) -> GoValues {
    PROGRAM.resolve(given, file)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::checked::Listen;
    use crate::go_flags::GoValue;

    #[test]
    fn every_flag_has_a_valid_default() {
        let values = resolve(GoValues::new(), GoValues::new());
        let queue = check(&values).expect("nsqd starts without flags").queue;
        assert_eq!(queue.tcp, Listen::Tcp { host: machine::any_address().into(), port: 4150 });
        assert_eq!(queue.https, None, "there is no certificate");
        assert_eq!(queue.msg_timeout, Duration::from_mins(1));
        assert!(queue.deflate && queue.snappy);
    }

    #[test]
    fn segments_are_smaller_than_nsqds_files_unless_the_native_file_says_so() {
        for (written, used) in [(None, 16 << 20), (Some(4_000_000), 4_000_000), (Some(1 << 30), 16 << 20)] {
            let given = written.map(|bytes| ("max-bytes-per-file", GoValue::Int(bytes)));
            let queue = check(&resolve(GoValues::from_iter(given), GoValues::new())).unwrap().queue;
            assert_eq!(queue.max_bytes_per_file, used, "{written:?}");
        }
        let native = crate::native::check("[queue]\nmax_bytes_per_file = \"64MiB\"\n", 1).config.unwrap();
        assert_eq!(native.queue.unwrap().max_bytes_per_file, 64 << 20);
    }

    #[test]
    fn precedence() {
        let given = GoValues::from([("msg-timeout", GoValue::Duration(1)), ("snappy", GoValue::Bool(false))]);
        let file = GoValues::from([("msg-timeout", GoValue::Duration(2)), ("sync-every", GoValue::Int(7))]);
        let values = resolve(given, file);
        assert_eq!(values["msg-timeout"], GoValue::Duration(1));
        assert_eq!(values["sync-every"], GoValue::Int(7));
        assert_eq!(values["snappy"], GoValue::Bool(false));
        assert_eq!(values["mem-queue-size"], GoValue::Int(10_000));
    }
}
