//! Command lines in the syntax of Go's `flag` package, for nsqd and its tools.
//!
//! `-name value`, `-name=value`, and the same with two dashes; a boolean takes its value only after `=`.
//! Parsing stops at the first argument that is not a flag, and after `--`. Texts and exit codes are Go's,
//! since scripts around nsqd see them. The rules of the values (integers with a base prefix, durations with
//! units) are those of Go's `strconv` and `time`.

pub mod number;
mod spec;
mod usage;
mod values;

use crate::log_level::LogLevel;

pub use spec::{FlagSpec, GoKind, flag};
pub use usage::{entries, usage};
pub use values::{GoValue, GoValues};

/// The reason a program exits before it does anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Exit {
    /// A text on standard output, exit 0.
    Answer(String),
    /// A text on standard error and an exit status: 0 for help, 2 for a bad command line.
    Usage(u8, String),
    /// A line through Go's standard logger (`2006/01/02 15:04:05 LINE`) on standard error, exit 1.
    Plain(String),
    /// A line through the program's own logger (`[nsqd] 2006/01/02 15:04:05.000000 FATAL: LINE`), exit 1.
    Fatal(String),
}

impl Exit {
    /// The text, without the prefix that is printed before it.
    pub fn text(&self) -> &str {
        match self {
            Exit::Answer(text) | Exit::Usage(_, text) | Exit::Plain(text) | Exit::Fatal(text) => text,
        }
    }
}

/// Values of a command line.
#[derive(Debug, Clone, PartialEq)]
pub struct Parsed {
    /// Flags that were given.
    pub given: GoValues,
    /// Arguments after the flags.
    pub rest: Vec<String>,
}

/// Parses `arguments` (without the program's name) as the original `program` with these flags does.
///
/// # Errors
///
/// Text to print and exit status, for `-h` and for any fault. `show_default` returns the
/// defaults that depend on the machine.
pub fn parse(
    program: &str,
    flags: &'static [FlagSpec],
    arguments: &[String],
    show_default: &dyn Fn(&FlagSpec) -> String,
) -> Result<Parsed, Exit> {
    let mut given = GoValues::new();
    let mut rest = arguments.iter();
    let fail =
        |code: u8, line: String| Exit::Usage(code, format!("{line}{}", usage(program, flags, show_default)));
    loop {
        let left = rest.clone();
        let Some(argument) = rest.next() else { break };
        let Some(name) = argument.strip_prefix('-').filter(|name| !name.is_empty()) else {
            return Ok(Parsed { given, rest: left.cloned().collect() });
        };
        if name == "-" {
            break;
        }
        let name = name.strip_prefix('-').unwrap_or(name);
        if name.starts_with('-') || name.starts_with('=') {
            return Err(fail(2, format!("bad flag syntax: {argument}\n")));
        }
        let (name, value) = match name.split_once('=') {
            Some((name, value)) => (name, Some(value.to_string())),
            None => (name, None),
        };
        let Some(flag) = flags.iter().find(|flag| flag.name == name) else {
            if name == "help" || name == "h" {
                return Err(fail(0, String::new()));
            }
            return Err(fail(2, format!("flag provided but not defined: -{name}\n")));
        };
        set(&mut given, flag, value, &mut rest).map_err(|line| match flag.kind {
            GoKind::Floats if line.starts_with(UNREADABLE) => Exit::Plain(line),
            _ => fail(2, line + "\n"),
        })?;
    }
    Ok(Parsed { given, rest: rest.cloned().collect() })
}

/// Stores one flag; its value may be the next argument.
fn set(
    given: &mut GoValues,
    flag: &FlagSpec,
    value: Option<String>,
    rest: &mut std::slice::Iter<'_, String>,
) -> Result<(), String> {
    let boolean = matches!(flag.kind, GoKind::Bool | GoKind::TlsRequired);
    if boolean {
        let text = value.as_deref().unwrap_or("true");
        let parsed = read(flag.kind, text).map_err(|reason| {
            format!("invalid boolean value {} for -{}: {reason}", number::quote(text), flag.name)
        })?;
        given.insert(flag.name, parsed);
        return Ok(());
    }
    let Some(text) = value.or_else(|| rest.next().cloned()) else {
        return Err(format!("flag needs an argument: -{}", flag.name));
    };
    let checked = flag.check.map_or(Ok(()), |check| check(&text));
    let parsed = checked.and_then(|()| read(flag.kind, &text)).map_err(|reason| match flag.kind {
        GoKind::Floats => reason,
        _ => format!("invalid value {} for flag -{}: {reason}", number::quote(&text), flag.name),
    })?;
    match (given.get_mut(flag.name), parsed) {
        // An empty minimum version leaves the flag unchanged.
        (Some(_), GoValue::Text(empty)) if flag.kind == GoKind::TlsVersion && empty.is_empty() => {}
        (None, GoValue::Text(empty)) if flag.kind == GoKind::TlsVersion && empty.is_empty() => {
            given.insert(flag.name, GoValue::Text(flag.default.into()));
        }
        (Some(GoValue::Texts(all)), GoValue::Texts(more)) => all.extend(more),
        (Some(GoValue::Floats(all)), GoValue::Floats(more)) => all.extend(more),
        (_, parsed) => {
            given.insert(flag.name, parsed);
        }
    }
    Ok(())
}

/// Parses a value of a kind.
///
/// # Errors
///
/// The error in the original's words.
pub fn read(kind: GoKind, text: &str) -> Result<GoValue, String> {
    Ok(match kind {
        GoKind::Bool => GoValue::Bool(number::boolean(text).ok_or("parse error")?),
        GoKind::Int => GoValue::Int(number::integer(text).map_err(String::from)?),
        GoKind::Float => GoValue::Float(number::float(text).map_err(String::from)?),
        GoKind::Duration => GoValue::Duration(number::duration(text).ok_or("parse error")?),
        GoKind::Text => GoValue::Text(text.into()),
        GoKind::Texts => GoValue::Texts(vec![text.into()]),
        GoKind::Floats => GoValue::Floats(floats(text)?),
        GoKind::LogLevel => GoValue::Text(
            log_level(text)
                .ok_or_else(|| format!("invalid log level '{text}' ({})", LogLevel::names().join(", ")))?,
        ),
        GoKind::TlsRequired => {
            GoValue::Text(tls_required(text).ok_or_else(|| {
                format!("strconv.ParseBool: parsing {}: invalid syntax", number::quote(text))
            })?)
        }
        GoKind::TlsVersion => GoValue::Text(
            tls_version(text).ok_or_else(|| format!("unknown tlsVersionOption {}", number::quote(text)))?,
        ),
    })
}

/// Start of the original's error text for a number; it is fatal at once, without the usage text.
const UNREADABLE: &str = "Could not parse: ";

fn floats(text: &str) -> Result<Vec<f64>, String> {
    text.split(',').map(|part| part.parse::<f64>().map_err(|_| format!("{UNREADABLE}{part}"))).collect()
}

fn log_level(text: &str) -> Option<String> {
    LogLevel::of(text.as_bytes()).map(|level| level.name().to_owned())
}

/// The level of a stored `log-level` value.
pub fn level_of(text: &str) -> LogLevel {
    LogLevel::of(text.as_bytes()).unwrap_or(LogLevel::Info)
}

fn tls_required(text: &str) -> Option<String> {
    let lower = text.to_lowercase();
    if lower == "tcp-https" {
        return Some(lower);
    }
    number::boolean(&lower).map(|on| on.to_string())
}

/// A version's name in lower case. The empty text, which nsqd accepts without
/// changing the setting, stays empty.
fn tls_version(text: &str) -> Option<String> {
    let lower = text.to_lowercase();
    ["", "ssl3.0", "tls1.0", "tls1.1", "tls1.2", "tls1.3"].contains(&lower.as_str()).then_some(lower)
}

/// A flag's default as `%v` shows it; empty if it depends on the machine.
pub fn shown_default(flag: &FlagSpec) -> String {
    flag.default.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nsqd::flags::FLAGS;

    fn run(arguments: &[&str]) -> Result<Parsed, Exit> {
        let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
        parse("nsqd", FLAGS, &arguments, &shown_default)
    }

    #[test]
    fn every_flag_with_an_empty_value_is_as_in_go() {
        for flag in FLAGS {
            let argument = format!("--{}=", flag.name);
            let name = flag.name;
            let refused = match flag.kind {
                // An empty minimum leaves the setting unchanged.
                GoKind::Text | GoKind::TlsVersion => {
                    let kept = if flag.kind == GoKind::TlsVersion { flag.default } else { "" };
                    let given = run(&[&argument]).unwrap().given;
                    assert_eq!(given[name], GoValue::Text(kept.into()), "{name}");
                    continue;
                }
                GoKind::Texts => {
                    let given = run(&[&argument]).unwrap().given;
                    assert_eq!(given[name], GoValue::Texts(vec![String::new()]), "{name}");
                    continue;
                }
                GoKind::Floats => {
                    assert_eq!(run(&[&argument]).unwrap_err(), Exit::Plain("Could not parse: ".into()));
                    continue;
                }
                GoKind::Bool => format!("invalid boolean value \"\" for -{name}: parse error"),
                GoKind::Int | GoKind::Float | GoKind::Duration => {
                    format!("invalid value \"\" for flag -{name}: parse error")
                }
                GoKind::LogLevel => format!(
                    "invalid value \"\" for flag -{name}: invalid log level '' (debug, info, warn, error, fatal)"
                ),
                GoKind::TlsRequired => format!(
                    "invalid boolean value \"\" for -{name}: strconv.ParseBool: parsing \"\": invalid syntax"
                ),
            };
            match run(&[&argument]).unwrap_err() {
                Exit::Usage(2, text) => {
                    assert!(text.starts_with(&format!("{refused}\nUsage of nsqd:\n")), "{text}");
                }
                other => panic!("{name}: {other:?}"),
            }
        }
    }

    #[test]
    fn forms() {
        for arguments in [
            &["-msg-timeout", "2s"][..],
            &["--msg-timeout", "2s"],
            &["-msg-timeout=2s"],
            &["--msg-timeout=1s", "--msg-timeout=2s"],
        ] {
            assert_eq!(run(arguments).unwrap().given["msg-timeout"], GoValue::Duration(2_000_000_000));
        }
        let parsed = run(&["-snappy=false", "-deflate", "false", "-msg-timeout=1s"]).unwrap();
        assert_eq!(parsed.given.get("deflate"), Some(&GoValue::Bool(true)));
        assert_eq!(parsed.rest, ["false", "-msg-timeout=1s"], "parsing ends at the first other argument");
        assert_eq!(run(&["-snappy", "--", "-x"]).unwrap().rest, ["-x"]);
        assert_eq!(run(&["-"]).unwrap().rest, ["-"]);
        let repeated = run(&["--lookupd-tcp-address=a", "--lookupd-tcp-address=b"]).unwrap();
        assert_eq!(repeated.given["lookupd-tcp-address"], GoValue::Texts(vec!["a".into(), "b".into()]));
        let repeated =
            run(&["--e2e-processing-latency-percentile=1,0.5", "--e2e-processing-latency-percentile=0.9"]);
        assert_eq!(
            repeated.unwrap().given["e2e-processing-latency-percentile"],
            GoValue::Floats(vec![1.0, 0.5, 0.9])
        );
        assert_eq!(
            run(&["--tls-required=tcp-https"]).unwrap().given["tls-required"],
            GoValue::Text("tcp-https".into())
        );
    }

    #[test]
    fn an_empty_minimum_tls_version_changes_nothing() {
        for (arguments, version) in [
            (&["--tls-min-version="][..], "tls1.0"),
            (&["--tls-min-version=tls1.2", "--tls-min-version", ""], "tls1.2"),
            (&["--tls-min-version=", "--tls-min-version=tls1.3"], "tls1.3"),
        ] {
            assert_eq!(run(arguments).unwrap().given["tls-min-version"], GoValue::Text(version.into()));
        }
    }

    #[test]
    fn faults() {
        let cases = [
            (&["--nosuch"][..], 2, "flag provided but not defined: -nosuch"),
            (&["--log-level"], 2, "flag needs an argument: -log-level"),
            (&["---x"], 2, "bad flag syntax: ---x"),
            (&["-=x"], 2, "bad flag syntax: -=x"),
            (&["--msg-timeout=60"], 2, "invalid value \"60\" for flag -msg-timeout: parse error"),
            (&["--snappy=2"], 2, "invalid boolean value \"2\" for -snappy: parse error"),
            (&["-h"], 0, "Usage of nsqd:"),
            (&["--help", "--nosuch"], 0, "Usage of nsqd:"),
        ];
        for (arguments, expected, first_line) in cases {
            let Err(Exit::Usage(code, text)) = run(arguments) else { panic!("{arguments:?}") };
            assert_eq!((code, text.lines().next()), (expected, Some(first_line)));
        }
        let abc = run(&["--e2e-processing-latency-percentile=abc"]);
        assert_eq!(abc, Err(Exit::Plain("Could not parse: abc".into())));
    }

    const SAMPLE: &[FlagSpec] = &[
        flag("rotate-size", GoKind::Int, "0", "rotate beyond `rotate-size` bytes", ""),
        flag("hidden", GoKind::Int, "0", "not in the usage text", "").beyond(),
        flag("sample", GoKind::Float, "1", "share", ""),
        flag("colour", GoKind::Texts, "", "repeat", "").checked(|text| match text {
            "red" => Ok(()),
            other => Err(format!("no colour {other}")),
        }),
    ];

    #[test]
    fn numbers_checked_texts_and_names_of_values() {
        let run = |arguments: &[&str]| {
            let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
            parse("p", SAMPLE, &arguments, &shown_default)
        };
        let parsed = run(&["--sample=.25", "--colour=red", "--colour", "red"]).unwrap();
        assert_eq!(parsed.given["sample"], GoValue::Float(0.25));
        assert_eq!(parsed.given["colour"], GoValue::Texts(vec!["red".into(), "red".into()]));
        for (argument, line) in [
            ("--sample=x", "invalid value \"x\" for flag -sample: parse error"),
            ("--hidden=x", "invalid value \"x\" for flag -hidden: parse error"),
            ("--sample=1e999", "invalid value \"1e999\" for flag -sample: value out of range"),
            ("--colour=blue", "invalid value \"blue\" for flag -colour: no colour blue"),
        ] {
            let Err(Exit::Usage(2, text)) = run(&[argument]) else { panic!("{argument}") };
            let usage = "Usage of p:\n  -colour value\n    \trepeat\n  -rotate-size rotate-size\n    \trotate beyond \
                         rotate-size bytes\n  -sample float\n    \tshare (default 1)\n";
            assert_eq!(text, format!("{line}\n{usage}"));
        }
    }
}
