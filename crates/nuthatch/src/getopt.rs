//! Command line parsing as in glibc's `getopt_long`, with its own messages switched off.
//!
//! Options and other arguments may be mixed (the latter are skipped); `--` ends the options; a long option
//! may be abbreviated as long as it is unambiguous. Errors are reported as in C: by an option character, 0
//! for long options that are unknown or ambiguous.

/// One option.
#[derive(Debug, Clone, Copy)]
pub struct Spec {
    /// Its letter.
    pub short: char,
    /// Its long name, without dashes.
    pub long: &'static str,
    /// True if it takes an argument.
    pub argument: bool,
}

/// An option or argument of a command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// An option, by its letter, with its argument.
    Option(char, Option<String>),
    /// `getopt_long` returned `?`; this is `optopt`.
    Bad(char),
}

/// Parses the arguments (without the program's name). Lazy: a caller that stops at the first [`Found::Bad`]
/// sees what a C program would have seen.
pub fn parse<'a>(specs: &'a [Spec], arguments: &'a [String]) -> impl Iterator<Item = Found> + 'a {
    let mut rest = arguments.iter();
    let mut cluster: Option<&'a str> = None;
    std::iter::from_fn(move || {
        loop {
            if let Some(letters) = cluster.take().filter(|letters| !letters.is_empty()) {
                let (found, left) = letter(specs, letters, &mut rest);
                cluster = left;
                return Some(found);
            }
            let argument = rest.next()?;
            if argument == "--" {
                return None;
            }
            if let Some(long) = argument.strip_prefix("--") {
                return Some(long_option(specs, long, &mut rest));
            }
            cluster = argument.strip_prefix('-');
        }
    })
}

/// The first option of a cluster such as `-tvc`, and the rest of the cluster.
fn letter<'a>(
    specs: &[Spec],
    letters: &'a str,
    rest: &mut std::slice::Iter<'a, String>,
) -> (Found, Option<&'a str>) {
    let mut chars = letters.chars();
    let c = chars.next().unwrap_or_default();
    let left = chars.as_str();
    match specs.iter().find(|spec| spec.short == c) {
        None => (Found::Bad(c), Some(left)),
        Some(Spec { argument: false, .. }) => (Found::Option(c, None), Some(left)),
        Some(_) if !left.is_empty() => (Found::Option(c, Some(left.into())), None),
        Some(_) => match rest.next() {
            Some(argument) => (Found::Option(c, Some(argument.clone())), None),
            None => (Found::Bad(c), None),
        },
    }
}

fn long_option(specs: &[Spec], text: &str, rest: &mut std::slice::Iter<'_, String>) -> Found {
    let (name, value) = match text.split_once('=') {
        Some((name, value)) => (name, Some(value.to_string())),
        None => (text, None),
    };
    let mut near = specs.iter().filter(|spec| spec.long.starts_with(name));
    let exact = specs.iter().find(|spec| spec.long == name);
    let spec = match (exact, near.next(), near.next()) {
        (Some(exact), ..) => exact,
        (None, Some(only), None) => only,
        _ => return Found::Bad('\0'),
    };
    match (spec.argument, value) {
        (false, None) => Found::Option(spec.short, None),
        (false, Some(_)) => Found::Bad(spec.short),
        (true, Some(value)) => Found::Option(spec.short, Some(value)),
        (true, None) => match rest.next() {
            Some(value) => Found::Option(spec.short, Some(value.clone())),
            None => Found::Bad(spec.short),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPECS: &[Spec] = &[
        Spec { short: 'h', long: "help", argument: false },
        Spec { short: 'v', long: "verbose", argument: true },
        Spec { short: 'V', long: "version", argument: false },
        Spec { short: 'c', long: "conf-file", argument: true },
    ];

    fn run(line: &str) -> Vec<Found> {
        let arguments: Vec<String> = line.split_whitespace().map(String::from).collect();
        parse(SPECS, &arguments).collect()
    }

    fn option(c: char) -> Found {
        Found::Option(c, None)
    }

    fn with(c: char, argument: &str) -> Found {
        Found::Option(c, Some(argument.into()))
    }

    #[test]
    fn forms() {
        let cases = [
            ("-h -V", vec![option('h'), option('V')]),
            ("-hV", vec![option('h'), option('V')]),
            ("-hc x", vec![option('h'), with('c', "x")]),
            ("-hcx", vec![option('h'), with('c', "x")]),
            ("--help", vec![option('h')]),
            ("--he", vec![option('h')]),
            ("--conf=a=b", vec![with('c', "a=b")]),
            ("--conf-file -V", vec![with('c', "-V")]),
            ("--conf-file=", vec![with('c', "")]),
            ("other -h", vec![option('h')]),
            ("- -h", vec![option('h')]),
            ("-- -h", vec![]),
            ("-x -h", vec![Found::Bad('x'), option('h')]),
            ("-xh", vec![Found::Bad('x'), option('h')]),
            ("-?", vec![Found::Bad('?')]),
            ("--nosuch", vec![Found::Bad('\0')]),
            ("--ver", vec![Found::Bad('\0')]),
            ("--help=3", vec![Found::Bad('h')]),
            ("-c", vec![Found::Bad('c')]),
            ("--conf", vec![Found::Bad('c')]),
        ];
        for (line, found) in cases {
            assert_eq!(run(line), found, "{line}");
        }
    }
}
