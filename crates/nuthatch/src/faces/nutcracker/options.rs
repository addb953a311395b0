//! nutcracker's command line.
//!
//! Options are parsed in order, and the first bad one decides. Numbers are parsed as in C:
//! digits only, wrapping at 32 bits.

use config::nutcracker::atoi;

use crate::getopt::{self, Found, Spec};

/// The highest logging level.
const VERBOSITY_MAX: u32 = 11;
/// Bounds of `-m`.
const MBUF_BYTES: std::ops::RangeInclusive<i32> = 512..=16_777_216;

const SPECS: &[Spec] = &[
    Spec { short: 'h', long: "help", argument: false },
    Spec { short: 'V', long: "version", argument: false },
    Spec { short: 't', long: "test-conf", argument: false },
    Spec { short: 'd', long: "daemonize", argument: false },
    Spec { short: 'D', long: "describe-stats", argument: false },
    Spec { short: 'v', long: "verbose", argument: true },
    Spec { short: 'o', long: "output", argument: true },
    Spec { short: 'c', long: "conf-file", argument: true },
    Spec { short: 's', long: "stats-port", argument: true },
    Spec { short: 'i', long: "stats-interval", argument: true },
    Spec { short: 'a', long: "stats-addr", argument: true },
    Spec { short: 'p', long: "pid-file", argument: true },
    Spec { short: 'm', long: "mbuf-size", argument: true },
];

/// Values of the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Logging level, at most 11.
    pub verbosity: u32,
    /// Log file; empty for standard error.
    pub output: String,
    /// Configuration file.
    pub conf_file: String,
    /// Statistics port.
    pub stats_port: u16,
    /// Statistics address.
    pub stats_addr: String,
    /// Accepted; counters are always current here.
    pub stats_interval_ms: u32,
    /// Path of the pid file: with `-d`, or when `-p` was given.
    pub pid_file: Option<String>,
    /// Run in the background.
    pub daemonize: bool,
}

impl Default for Options {
    /// Values of an empty command line.
    fn default() -> Options {
        Options {
            verbosity: 5,
            output: "/var/log/nutcracker/nutcracker.log".into(),
            conf_file: "/etc/nutcracker/nutcracker.yml".into(),
            stats_port: 22222,
            stats_addr: "0.0.0.0".into(),
            stats_interval_ms: 30_000,
            pid_file: None,
            daemonize: false,
        }
    }
}

/// Action to take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Print this error line and the usage.
    Bad(String),
    /// Print the version, and these.
    Show {
        /// The usage text.
        usage: bool,
        /// The description of the statistics.
        stats: bool,
    },
    /// Test the configuration.
    Test(Options),
    /// Run.
    Run(Options),
}

/// Parses a command line without the program's name. The first bad option decides.
///
/// `-m` is checked but has no effect: there are no mbufs here.
pub fn parse(arguments: &[String]) -> Outcome {
    let mut options = Options::default();
    let (mut show, mut usage, mut stats, mut test) = (false, false, false, false);
    for found in getopt::parse(SPECS, arguments) {
        let (option, argument) = match found {
            Found::Option(option, argument) => (option, argument.unwrap_or_default()),
            Found::Bad(option) => return Outcome::Bad(missing(option)),
        };
        match option {
            'h' => (show, usage) = (true, true),
            'V' => show = true,
            'D' => (show, stats) = (true, true),
            't' => test = true,
            _ => {
                if let Err(line) = options.set(option, argument) {
                    return Outcome::Bad(line);
                }
            }
        }
    }
    if options.daemonize && options.pid_file.is_none() {
        options.pid_file = Some("/run/nutcracker/nutcracker.pid".into());
    }
    match (show, test) {
        (true, _) => Outcome::Show { usage, stats },
        (false, true) => Outcome::Test(options),
        (false, false) => Outcome::Run(options),
    }
}

impl Options {
    fn set(&mut self, option: char, argument: String) -> Result<(), String> {
        let number = || atoi(argument.as_bytes()).ok_or_else(|| missing(option));
        match option {
            'd' => self.daemonize = true,
            'v' => self.verbosity = number()?.unsigned_abs().min(VERBOSITY_MAX),
            'o' => self.output = argument,
            'c' => self.conf_file = argument,
            'a' => self.stats_addr = argument,
            'p' => self.pid_file = Some(argument),
            'i' => self.stats_interval_ms = number()?.unsigned_abs(),
            's' => {
                let port = number()?;
                let valid = u16::try_from(port).ok().filter(|port| *port > 0);
                self.stats_port =
                    valid.ok_or_else(|| format!("option -s value {port} is not a valid port"))?;
            }
            'm' => {
                const ZERO: &str = "option -m requires a non-zero number";
                let size = number().ok().filter(|size| *size > 0).ok_or(ZERO)?;
                if !MBUF_BYTES.contains(&size) {
                    let (min, max) = MBUF_BYTES.into_inner();
                    return Err(format!("mbuf chunk size must be between {min} and {max} bytes"));
                }
            }
            _ => return Err(missing(option)),
        }
        Ok(())
    }
}

/// Error line for an option with a missing or unreadable argument, or for an unknown option.
fn missing(option: char) -> String {
    match option {
        'o' | 'c' | 'p' => format!("option -{option} requires a file name"),
        'a' => "option -a requires a string".into(),
        'v' | 's' | 'i' | 'm' => format!("option -{option} requires a number"),
        other => format!("invalid option -- '{other}'"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bad(arguments: &[&str]) -> String {
        let arguments: Vec<String> = arguments.iter().map(|argument| argument.to_string()).collect();
        match parse(&arguments) {
            Outcome::Bad(line) => line,
            other => panic!("{arguments:?}: {other:?}"),
        }
    }

    #[test]
    fn complaints() {
        for (arguments, line) in [
            (&["-m"][..], "option -m requires a number"),
            (&["-m", "0"], "option -m requires a non-zero number"),
            (&["-m", "x"], "option -m requires a non-zero number"),
            (&["-m", "511"], "mbuf chunk size must be between 512 and 16777216 bytes"),
            (&["-a"], "option -a requires a string"),
            (&["-i", "-1"], "option -i requires a number"),
            (&["-s", "65536"], "option -s value 65536 is not a valid port"),
            (&["--conf"], "option -c requires a file name"),
            (&["--help=x"], "invalid option -- 'h'"),
            (&["-h", "-x"], "invalid option -- 'x'"),
        ] {
            assert_eq!(bad(arguments), line, "{arguments:?}");
        }
    }

    #[test]
    fn what_to_do() {
        let run = |line: &str| parse(&line.split_whitespace().map(String::from).collect::<Vec<_>>());
        assert_eq!(run("-t -D"), Outcome::Show { usage: false, stats: true });
        assert_eq!(run("-Vh"), Outcome::Show { usage: true, stats: false });
        let Outcome::Run(options) = run("-d -v 99 -s 4294967297 extra") else { panic!() };
        assert_eq!((options.verbosity, options.stats_port), (11, 1), "numbers wrap");
        assert_eq!(options.pid_file.as_deref(), Some("/run/nutcracker/nutcracker.pid"));
        let Outcome::Test(options) = run("--test -c a") else { panic!() };
        assert_eq!((options.conf_file.as_str(), options.pid_file), ("a", None));
    }
}
