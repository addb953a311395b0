//! NSQ's utilities, one file each: programs that read from topics, write to them, or watch them.
//!
//! ```text
//! arguments ▸ command_line ▸ Values ▸ checks of the tool (NSQ's texts, in NSQ's order) ▸ run
//! ```
//! A tool has a table of flags and a `main` that takes its arguments. It returns when its work is done, or
//! with the [`Exit`] that holds the text to print and the exit status. Usage texts, error messages and exit
//! statuses are NSQ's; docs/tools.md describes the tools, docs/compat-nsq.md their differences.
//!
//! [`operator`] and [`mod@bench`] have no counterpart in NSQ: `nuthatch` commands that manage a queue over
//! its HTTP API, and load generators.

#![forbid(unsafe_code)]

mod client_options;
mod command_line;
mod sources;

mod daemons;
mod destinations;
mod log;
mod progress;
mod signals;
mod status;

pub mod nsq_stat;
pub mod nsq_tail;
pub mod nsq_to_file;
pub mod nsq_to_http;
pub mod nsq_to_nsq;
pub mod to_nsq;

pub mod operator;

pub mod bench;

use std::io::Write;

pub use config::go_flags::Exit;

/// Runs a tool's work on one thread.
fn block_on<T>(work: impl Future<Output = std::io::Result<Result<T, Exit>>>) -> Result<T, Exit> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let failed = |error: std::io::Error| Exit::Plain(format!("ERROR: cannot start - {error}"));
    let runtime = runtime.map_err(failed)?;
    let ended = runtime.block_on(work);
    // Do not wait for a blocked write to standard output.
    runtime.shutdown_background();
    ended.map_err(failed)?
}

/// Writes to standard output.
///
/// # Errors
///
/// A failed write. A closed pipe, as with `head`, ends the tool silently.
fn print(text: impl AsRef<[u8]>) -> Result<(), Exit> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_ref()).and_then(|()| out.flush()).map_err(|error| match error.kind() {
        std::io::ErrorKind::BrokenPipe => Exit::Answer(String::new()),
        _ => Exit::Plain(format!("ERROR: failed to write to os.Stdout - {error}")),
    })
}

/// Ends a tool that has its own log: a line in the log's format, and status 1.
fn fatal(prefix: &str, line: &str) -> Exit {
    let now = jiff::ZonedDateTime::now().strftime("%Y/%m/%d %H:%M:%S%.6f");
    Exit::Usage(1, format!("{prefix}{now} FATAL: {line}\n"))
}

/// Writes a line to standard error in the format of Go's standard logger.
fn log_line(line: &str) {
    eprintln!("{} {line}", jiff::ZonedDateTime::now().strftime("%Y/%m/%d %H:%M:%S"));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tool's main function.
    type Main = fn(&[String]) -> Result<(), Exit>;

    const TOOLS: [(&str, Main); 6] = [
        ("nsq_stat", nsq_stat::main),
        ("nsq_tail", nsq_tail::main),
        ("nsq_to_file", nsq_to_file::main),
        ("nsq_to_http", nsq_to_http::main),
        ("nsq_to_nsq", nsq_to_nsq::main),
        ("to_nsq", to_nsq::main),
    ];

    fn run(main: Main, list: &[&str]) -> Exit {
        let arguments: Vec<String> = list.iter().map(|argument| (*argument).to_owned()).collect();
        main(&arguments).expect_err("an exit")
    }

    #[test]
    fn help_and_version() {
        for (name, main) in TOOLS {
            let Exit::Usage(0, usage) = run(main, &["-h"]) else { panic!("{name}") };
            let shown = if name == "nsq_to_file" { "nsqd" } else { name };
            assert!(usage.starts_with(&format!("Usage of {shown}:\n  -")), "{usage}");
            let version = run(main, &["-version"]);
            if name == "to_nsq" {
                assert!(version.text().starts_with("flag provided but not defined: -version\n"));
            } else {
                assert_eq!(version, Exit::Answer(format!("{name} v1.3.0\n")));
            }
        }
    }

    #[test]
    fn complaints_in_their_order() {
        let nsqd = "--nsqd-tcp-address=127.0.0.1:1";
        let lookupd = "--lookupd-http-address=127.0.0.1:2";
        let destination = "--destination-nsqd-tcp-address=127.0.0.1:2";
        let both = "use --nsqd-tcp-address or --lookupd-http-address not both";
        let none = "--nsqd-tcp-address or --lookupd-http-address required";
        let names = "--topic and --channel are required";
        let printf = "invalid GET address - must be a printf string";
        let post = "--post=http://127.0.0.1:1/";
        let pattern = "--topic-pattern=.*";
        let cases: &[(usize, &[&str], &str)] = &[
            (1, &[], none),
            (1, &["--topic=t", nsqd, lookupd], both),
            (1, &[nsqd], "--topic required"),
            (2, &["--channel="], "--channel is required"),
            (2, &["--http-client-request-timeout=-1s"], "--http-client-request-timeout should be positive"),
            (2, &[], "--nsqd-tcp-address or --lookupd-http-address required."),
            (2, &[nsqd, lookupd], both),
            (2, &[nsqd, "--gzip-level=0"], "invalid --gzip-level value (0), should be 1-9"),
            (2, &[nsqd], "--topic or --topic-pattern required"),
            (2, &[nsqd, pattern], "--lookupd-http-address must be specified when no --topic specified"),
            (3, &[], names),
            (3, &["--topic=t", "--content-type=", post], "--content-type requires a value when used"),
            (3, &["--topic=t", "--content-type=x", nsqd], "--content-type only used with --post"),
            (3, &["--topic=t", nsqd], "--get or --post required"),
            (3, &["--topic=t", nsqd, post, "--get=%s"], "use --get or --post not both"),
            (3, &["--topic=t", nsqd, "--get=x"], printf),
            (3, &["--topic=t", nsqd, post, "--sample=NaN"], "ERROR: --sample must be between 0.0 and 1.0"),
            (3, &["--topic=t", nsqd, post, "--header=: v"], "--header value format should be 'key=value'"),
            (4, &["--topic=t", "--channel="], names),
            (4, &["--topic=t", nsqd], "--destination-nsqd-tcp-address required"),
            (4, &["--topic=b!d", nsqd, destination], "--topic is invalid"),
            (4, &["--topic=t", "--channel=b!d"], "--channel is invalid"),
            (5, &[], "--topic required"),
            (5, &["--topic=t", "--delimiter="], "--delimiter must be a single byte"),
            (5, &["--topic=t"], "--nsqd-tcp-address required"),
        ];
        for (tool, list, complaint) in cases {
            let (name, main) = TOOLS[*tool];
            assert_eq!(run(main, list), Exit::Plain((*complaint).to_owned()), "{name} {list:?}");
        }
    }

    #[test]
    fn an_unknown_option_or_mode_is_refused_with_what_there_is() {
        for (_, main) in &TOOLS[1..5] {
            let Exit::Usage(2, text) = run(*main, &["--consumer-opt=bogus,1"]) else { panic!("not a usage") };
            let line = "invalid value \"bogus,1\" for flag -consumer-opt: invalid option bogus";
            assert_eq!(text.lines().next(), Some(line));
        }
        let modes = "invalid --mode value (both), should be one of hostpool, round-robin, epsilon-greedy";
        let nsqd = "--nsqd-tcp-address=h:1";
        let to_http = ["--topic=t", nsqd, "--post=http://h/", "--mode=both"];
        assert_eq!(run(nsq_to_http::main, &to_http).text(), modes);
        let to_nsq = ["--topic=t", nsqd, "--destination-nsqd-tcp-address=h:2", "--mode=both"];
        assert_eq!(run(nsq_to_nsq::main, &to_nsq).text(), modes);
    }
}
