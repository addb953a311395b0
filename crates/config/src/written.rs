//! The native file as written: keys and values with their places, before interpretation.
//!
//! The `toml` crate parses the syntax and recovers from errors, so [`parse`] returns all of them. This module
//! returns a plain tree without types of that crate.

use toml::de::{DeTable, DeValue};

use crate::fault::{Fault, Position};

/// A value with its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Written {
    /// Start of the value.
    pub at: Position,
    /// The value.
    pub value: Value,
}

/// A value of the file.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A string.
    Text(String),
    /// An integer that fits.
    Integer(i64),
    /// A number with a fraction, or an integer that does not fit.
    Float(f64),
    /// A boolean.
    Bool(bool),
    /// An array.
    List(Vec<Written>),
    /// A table or inline table.
    Table(Vec<Entry>),
    /// A date or time, which no option takes.
    Date,
    /// A text with a faulty variable, which is already reported.
    Unknown,
}

/// A key with its value.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// Start of the key.
    pub at: Position,
    /// The value.
    pub value: Written,
}

impl Value {
    /// True if any text in it is unknown.
    pub fn has_unknown(&self) -> bool {
        match self {
            Value::Unknown => true,
            Value::List(items) => items.iter().any(|item| item.value.has_unknown()),
            Value::Table(entries) => entries.iter().any(|entry| entry.value.value.has_unknown()),
            _ => false,
        }
    }

    /// The type in words, with its article.
    pub fn describe(&self) -> &'static str {
        match self {
            Value::Text(_) | Value::Unknown => "a text",
            Value::Integer(_) => "a whole number",
            Value::Float(_) => "a number with a fraction",
            Value::Bool(_) => "a boolean",
            Value::List(_) => "a list",
            Value::Table(_) => "a table",
            Value::Date => "a date",
        }
    }
}

/// Parses TOML. The tree holds everything understood; every syntax error is a fault.
pub fn parse(text: &str) -> (Vec<Entry>, Vec<Fault>) {
    let places = Places::new(text);
    let (table, errors) = DeTable::parse_recoverable(text);
    let faults = errors
        .iter()
        .map(|error| {
            let at = error.span().map(|span| places.at(span.start));
            Fault::error(at, error.message().trim_end().replace('\n', ", "), "")
        })
        .collect();
    (entries(table.get_ref(), &places), faults)
}

fn entries(table: &DeTable<'_>, places: &Places<'_>) -> Vec<Entry> {
    let mut entries: Vec<Entry> = table
        .iter()
        .map(|(key, value)| Entry {
            key: key.get_ref().to_string(),
            at: places.at(key.span().start),
            value: written(value.span().start, value.get_ref(), places),
        })
        .collect();
    entries.sort_by_key(|entry| entry.at);
    entries
}

fn written(start: usize, value: &DeValue<'_>, places: &Places<'_>) -> Written {
    let value = match value {
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Integer(digits) => match i64::from_str_radix(digits.as_str(), digits.radix()) {
            Ok(integer) => Value::Integer(integer),
            Err(_) => Value::Float(digits.as_str().parse().unwrap_or(f64::INFINITY)),
        },
        DeValue::Float(digits) => Value::Float(digits.as_str().parse().unwrap_or(f64::NAN)),
        DeValue::Boolean(value) => Value::Bool(*value),
        DeValue::Datetime(_) => Value::Date,
        DeValue::Array(items) => {
            Value::List(items.iter().map(|item| written(item.span().start, item.get_ref(), places)).collect())
        }
        DeValue::Table(table) => Value::Table(entries(table, places)),
    };
    Written { at: places.at(start), value }
}

/// Conversion of byte offsets to positions, without counting lines from the top each time.
struct Places<'a> {
    text: &'a str,
    line_starts: Vec<usize>,
}

impl<'a> Places<'a> {
    fn new(text: &'a str) -> Places<'a> {
        let starts = text.bytes().enumerate().filter(|(_, b)| *b == b'\n').map(|(i, _)| i + 1);
        Places { text, line_starts: std::iter::once(0).chain(starts).collect() }
    }

    fn at(&self, offset: usize) -> Position {
        let line = self.line_starts.partition_point(|start| *start <= offset).max(1);
        let start = self.line_starts[line - 1];
        let column = Position::of(&self.text[start..], offset.saturating_sub(start)).column;
        Position { line, column }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places() {
        let (entries, faults) = parse("threads = 2\n[pool.a]\nlisten = [\"x\",\n  \"y\"]\n");
        assert!(faults.is_empty());
        assert_eq!((entries[0].key.as_str(), entries[0].at), ("threads", Position { line: 1, column: 1 }));
        assert_eq!(
            entries[0].value,
            Written { at: Position { line: 1, column: 11 }, value: Value::Integer(2) }
        );
        let Value::Table(pools) = &entries[1].value.value else { panic!() };
        let Value::Table(pool) = &pools[0].value.value else { panic!() };
        let Value::List(listens) = &pool[0].value.value else { panic!() };
        assert_eq!(listens[1].at, Position { line: 4, column: 3 });
    }

    #[test]
    fn every_syntax_error_at_once() {
        let (entries, faults) = parse("a = \nb = 1\nc = = 2\nd = 3\n");
        let lines: Vec<_> = faults.iter().map(|fault| fault.position.unwrap().line).collect();
        assert!(lines.contains(&1) && lines.contains(&3), "{faults:?}");
        assert!(entries.iter().any(|entry| entry.key == "b"));
    }
}
