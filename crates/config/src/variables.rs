//! Environment variables in the texts of the native file: `${NAME}`; `$${` stands for a literal `${`.
//!
//! Every text of the file may contain them, also in a list or in a table; keys and section names may not. The
//! value of a variable is not expanded again. Any other `$` is literal. A text with a fault becomes
//! [`Value::Unknown`], so that it causes no further faults.

use std::env::VarError;

use crate::fault::Fault;
use crate::written::{Entry, Value, Written};

/// Size limit of a text after expansion, in bytes.
const BYTES_MAX: usize = 1 << 20;

/// The value of a variable.
pub type Lookup<'a> = &'a dyn Fn(&str) -> Result<String, VarError>;

/// The environment of this process.
pub fn of_process(name: &str) -> Result<String, VarError> {
    std::env::var(name)
}

/// Expands the variables in every text; adds all faults to `faults`.
pub(crate) fn expand(entries: &mut [Entry], lookup: Lookup<'_>, faults: &mut Vec<Fault>) {
    for entry in entries {
        expand_value(&mut entry.value, lookup, faults);
    }
}

fn expand_value(written: &mut Written, lookup: Lookup<'_>, faults: &mut Vec<Fault>) {
    match &mut written.value {
        Value::Text(text) if text.contains("${") => match expand_text(text, lookup) {
            Ok(expanded) => *text = expanded,
            Err(wrong) => {
                faults
                    .extend(wrong.into_iter().map(|(text, help)| Fault::error(Some(written.at), text, help)));
                written.value = Value::Unknown;
            }
        },
        Value::List(items) => items.iter_mut().for_each(|item| expand_value(item, lookup, faults)),
        Value::Table(entries) => expand(entries, lookup, faults),
        _ => {}
    }
}

/// The expanded text, or the fault of each variable with its remedy.
fn expand_text(text: &str, lookup: Lookup<'_>) -> Result<String, Vec<(String, String)>> {
    let (mut out, mut wrong) = (String::new(), Vec::new());
    for part in parts(text) {
        match part {
            Part::Literal(literal) => out.push_str(literal),
            Part::Variable(name) => match value(name, lookup) {
                Ok(value) => out.push_str(&value),
                Err(fault) => wrong.push(fault),
            },
            Part::Open(rest) => {
                let text = format!("${{{rest} has no closing brace");
                wrong.push((text, "write ${NAME} for a variable, $${ for a literal ${".into()));
            }
        }
    }
    if out.len() > BYTES_MAX {
        wrong.push((
            "the text is too long with its variables".into(),
            format!("it may have {BYTES_MAX} bytes"),
        ));
    }
    if wrong.is_empty() { Ok(out) } else { Err(wrong) }
}

fn value(name: &str, lookup: Lookup<'_>) -> Result<String, (String, String)> {
    const LITERAL: &str = "for a literal ${ write $${";
    let is_name = !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if !is_name {
        let text = format!("\"{name}\" is not the name of a variable");
        return Err((text, format!("names have letters, digits and underscores; {LITERAL}")));
    }
    lookup(name).map_err(|error| match error {
        VarError::NotPresent => (format!("the variable {name} is not set"), format!("set it; {LITERAL}")),
        VarError::NotUnicode(_) => (format!("the variable {name} is not UTF-8"), "set it to a text".into()),
    })
}

/// A piece of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part<'a> {
    Literal(&'a str),
    /// The name between the braces.
    Variable(&'a str),
    /// The rest after an unclosed brace.
    Open(&'a str),
}

fn parts(text: &str) -> Vec<Part<'_>> {
    let (mut parts, mut rest) = (Vec::new(), text);
    while let Some(at) = rest.find("${") {
        let (before, braces) = rest.split_at(at);
        if let Some(before) = before.strip_suffix('$') {
            parts.extend([Part::Literal(before), Part::Literal("${")]);
            rest = &braces[2..];
            continue;
        }
        parts.push(Part::Literal(before));
        match braces[2..].split_once('}') {
            Some((name, after)) => {
                parts.push(Part::Variable(name));
                rest = after;
            }
            None => {
                parts.push(Part::Open(&braces[2..]));
                rest = "";
            }
        }
    }
    parts.push(Part::Literal(rest));
    parts
}

/// Escapes a text, so that nothing in it is taken for a variable.
pub(crate) fn escape(text: &str) -> String {
    text.replace("${", "$${")
}

/// Names of the variables in a text as written, in order.
pub(crate) fn names(text: &str) -> Vec<&str> {
    parts(text)
        .into_iter()
        .filter_map(|part| match part {
            Part::Variable(name) => Some(name),
            Part::Literal(_) | Part::Open(_) => None,
        })
        .collect()
}

/// True for a text as written that consists of variables only.
pub(crate) fn is_only_variables(text: &str) -> bool {
    let mut parts = parts(text).into_iter().filter(|part| *part != Part::Literal("")).peekable();
    parts.peek().is_some() && parts.all(|part| matches!(part, Part::Variable(_)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lookup(name: &str) -> Result<String, VarError> {
        match name {
            "A" => Ok("one".into()),
            "B_2" => Ok("${A}".into()),
            "EMPTY" => Ok(String::new()),
            "BAD" => Err(VarError::NotUnicode("x".into())),
            _ => Err(VarError::NotPresent),
        }
    }

    #[test]
    fn expanded() {
        for (text, expanded) in [
            ("", ""),
            ("a$b$$c {d} $", "a$b$$c {d} $"),
            ("${A}", "one"),
            ("x${A}y${A}", "xoneyone"),
            ("${B_2}", "${A}"),
            ("[${EMPTY}]", "[]"),
            ("$${A}", "${A}"),
            ("$$${A}", "$${A}"),
            ("$${", "${"),
            ("é${A}é", "éoneé"),
        ] {
            assert_eq!(expand_text(text, &lookup).as_deref(), Ok(expanded), "{text}");
        }
    }

    #[test]
    fn every_fault_of_a_text() {
        for (text, wrong) in [
            ("${NO}${A}${NOT}", vec!["the variable NO is not set", "the variable NOT is not set"]),
            ("${BAD}", vec!["the variable BAD is not UTF-8"]),
            ("${}", vec!["\"\" is not the name of a variable"]),
            ("${A-B}", vec!["\"A-B\" is not the name of a variable"]),
            ("${1}", vec!["\"1\" is not the name of a variable"]),
            ("${A", vec!["${A has no closing brace"]),
        ] {
            let found = expand_text(text, &lookup).unwrap_err();
            assert_eq!(found.iter().map(|(text, _)| text).collect::<Vec<_>>(), wrong, "{text}");
        }
        let long = |_: &str| Ok("x".repeat(BYTES_MAX));
        assert!(expand_text("${A}", &long).is_ok());
        assert!(expand_text("${A}x", &long).is_err());
    }

    proptest! {
        #[test]
        fn an_escaped_text_is_itself(text in "[${}A]{0,12}|.{0,12}") {
            prop_assert_eq!(expand_text(&escape(&text), &lookup), Ok(text));
        }
    }
}
