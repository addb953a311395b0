//! The usage text of Go's `flag` package.
//!
//! Two lines per flag: name and type, then the usage text and the default. As in the original, a default that
//! is the zero value of its type is omitted. A word in back quotes within the usage text names the value.

use super::{FlagSpec, GoKind, number};

/// `Usage of PROGRAM:` and every flag of the original, sorted by name. `show_default` returns the default of
/// a flag in the format of its type.
pub fn usage(program: &str, flags: &[FlagSpec], show_default: &dyn Fn(&FlagSpec) -> String) -> String {
    format!("Usage of {program}:\n{}", entries(flags.iter().filter(|flag| !flag.beyond), show_default))
}

/// Flags in the format of a usage text, sorted by name.
pub fn entries<'a>(
    flags: impl Iterator<Item = &'a FlagSpec>,
    show_default: &dyn Fn(&FlagSpec) -> String,
) -> String {
    let mut sorted: Vec<&FlagSpec> = flags.collect();
    sorted.sort_by_key(|flag| flag.name);
    sorted.into_iter().map(|flag| entry(flag, &show_default(flag))).collect()
}

fn entry(flag: &FlagSpec, default: &str) -> String {
    let mut out = format!("  -{}", flag.name);
    let placeholder = match flag.kind {
        GoKind::Bool | GoKind::TlsRequired => "",
        GoKind::Int => "int",
        GoKind::Float => "float",
        GoKind::Duration => "duration",
        GoKind::Text => "string",
        _ => "value",
    };
    let (placeholder, usage) = match quoted(flag.usage) {
        Some(name) => (name, flag.usage.replace('`', "")),
        None => (placeholder, flag.usage.to_owned()),
    };
    if !placeholder.is_empty() {
        out += " ";
        out += placeholder;
    }
    out += if out.len() <= 4 { "\t" } else { "\n    \t" };
    out += &usage;
    if !is_zero(flag.kind, default) {
        match flag.kind {
            GoKind::Text => out += &format!(" (default {})", number::quote(default)),
            _ => out += &format!(" (default {default})"),
        }
    }
    out + "\n"
}

/// Text between the first two back quotes.
fn quoted(usage: &str) -> Option<&str> {
    usage.split_once('`')?.1.split_once('`').map(|(name, _)| name)
}

/// True for a default that is the zero value of its type, which is not shown.
fn is_zero(kind: GoKind, default: &str) -> bool {
    match kind {
        GoKind::Bool | GoKind::TlsRequired => default == "false",
        GoKind::Int | GoKind::Float => default == "0",
        GoKind::Duration => default == "0s",
        _ => default.is_empty(),
    }
}
