//! The YAML of a nutcracker.yml: a subset that nutcracker enforces in three
//! passes before it reads any directive.
//!
//! 1. the file is one well-formed document (libyaml decides; its error class appears in the reason),
//! 2. it has no directives, document marks, flow collections, anchors, aliases or tags,
//! 3. it has the shape `pool: { key: value, ..., key: [ value, ... ] }`, with exactly one sequence per pool.
//!
//! The result is the list of leaves: pool, key, and value with its position.

use std::collections::HashSet;

use libyaml_safer::{Error, ErrorKind, Event, EventData, Mark, Parser, Scanner, TokenData};

use super::Reason;
use super::text::Text;
use crate::fault::Position;

/// One `key: value` or one element of `key`'s sequence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Leaf {
    /// The directive.
    pub key: String,
    /// Its value, never empty.
    pub value: String,
    /// Position of the value.
    pub position: Position,
}

/// A pool as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Section {
    /// Its name, never empty.
    pub name: String,
    /// Its position.
    pub position: Position,
    /// Its leaves in the order of the file.
    pub leaves: Vec<Leaf>,
}

/// Depth limit of a document: pools are at 1, their directives at 2.
const DEPTH_MAX: usize = 2;

/// The sections of a file, and the positions of empty names or values, which nutcracker refuses silently.
pub(super) fn leaves(bytes: &[u8], file: &str) -> Result<(Vec<Section>, Vec<Reason>), Vec<Reason>> {
    let text = Text::new(bytes);
    let (mut events, end) = document(&text.bytes, file).map_err(|reason| vec![reason])?;
    text.restore(&mut events, end);
    tokens(&text.bytes)?;
    Shape::new(file).check(&events).map_err(|reason| vec![reason])?;
    Ok(sections(&events))
}

/// The reason for a file that was opened but cannot be read.
pub(super) fn unreadable() -> Reason {
    Reason { text: "the file cannot be read", ..failed(2, None) }
}

/// First pass: all events of a stream with one document, and the end of the stream.
fn document(bytes: &[u8], file: &str) -> Result<(Vec<Event>, Mark), Reason> {
    let mut input = bytes;
    let mut parser = Parser::new();
    parser.set_input_string(&mut input);
    let mut events = Vec::new();
    let mut documents = 0;
    let mut anchors = HashSet::new();
    let end = loop {
        let event = parser.parse().map_err(|error| broken(&error))?;
        match &event.data {
            EventData::StreamEnd => break event.end_mark,
            EventData::DocumentStart { .. } => {
                documents += 1;
                anchors.clear();
            }
            EventData::Alias { anchor } if !anchors.contains(anchor) => {
                return Err(Reason {
                    text: "found undefined alias",
                    ..failed(5, Some(place(event.start_mark)))
                });
            }
            EventData::Scalar { anchor: Some(anchor), .. }
            | EventData::SequenceStart { anchor: Some(anchor), .. }
            | EventData::MappingStart { anchor: Some(anchor), .. }
                if !anchors.insert(anchor.clone()) =>
            {
                return Err(Reason {
                    text: "found duplicate anchor",
                    ..failed(5, Some(place(event.start_mark)))
                });
            }
            _ => {}
        }
        events.push(event);
    };
    match documents {
        1 => Ok((events, end)),
        n => Err(Reason::new(
            None,
            format!("conf: '{file}' must contain only 1 document; found {n} documents"),
        )),
    }
}

/// libyaml's error as nutcracker shows it, with the explanation that nutcracker omits.
fn broken(error: &Error) -> Reason {
    let class = match error.kind() {
        ErrorKind::Scanner => 3,
        ErrorKind::Parser => 4,
        ErrorKind::Composer => 5,
        _ => 2,
    };
    Reason { text: error.problem(), ..failed(class, error.problem_mark().map(place)) }
}

fn failed(class: u8, position: Option<Position>) -> Reason {
    Reason::new(position, format!("conf: failed (err {class}) to get the next yaml document"))
}

fn place(mark: Mark) -> Position {
    Position { line: mark.line as usize + 1, column: mark.column as usize + 1 }
}

/// Second pass: all tokens that nutcracker does not allow.
fn tokens(bytes: &[u8]) -> Result<(), Vec<Reason>> {
    let mut input = bytes;
    let mut scanner = Scanner::new();
    scanner.set_input_string(&mut input);
    let mut reasons = Vec::new();
    loop {
        let token = Scanner::scan(&mut scanner).map_err(|error| vec![broken(&error)])?;
        if let Some((name, number)) = disallowed(&token.data) {
            let text = format!("conf: {name} token ({number}) is disallowed");
            reasons.push(Reason::new(Some(place(token.start_mark)), text));
        }
        if token.data == TokenData::StreamEnd {
            return if reasons.is_empty() { Ok(()) } else { Err(reasons) };
        }
    }
}

/// The name of a disallowed token, and its number in libyaml.
fn disallowed(token: &TokenData) -> Option<(&'static str, u8)> {
    Some(match token {
        TokenData::VersionDirective { .. } => ("version directive", 3),
        TokenData::TagDirective { .. } => ("tag directive", 4),
        TokenData::DocumentStart => ("document start", 5),
        TokenData::DocumentEnd => ("document end", 6),
        TokenData::FlowSequenceStart => ("flow sequence start", 10),
        TokenData::FlowSequenceEnd => ("flow sequence end", 11),
        TokenData::FlowMappingStart => ("flow mapping start", 12),
        TokenData::FlowMappingEnd => ("flow mapping end", 13),
        TokenData::FlowEntry => ("flow entry", 15),
        TokenData::Alias { .. } => ("alias", 18),
        TokenData::Anchor { .. } => ("anchor", 19),
        TokenData::Tag { .. } => ("tag", 20),
        _ => return None,
    })
}

/// Third pass: the shape. `count` has the number of scalars at each depth since the last complete pair.
struct Shape<'a> {
    file: &'a str,
    depth: usize,
    count: [u32; DEPTH_MAX + 1],
    sequence: bool,
}

impl Shape<'_> {
    fn new(file: &str) -> Shape<'_> {
        Shape { file, depth: 0, count: [0; DEPTH_MAX + 1], sequence: false }
    }

    fn check(mut self, events: &[Event]) -> Result<(), Reason> {
        for event in events {
            let file = self.file;
            self.step(&event.data).map_err(|what| {
                Reason::new(Some(place(event.start_mark)), format!("conf: '{file}' {what}"))
            })?;
        }
        Ok(())
    }

    fn step(&mut self, event: &EventData) -> Result<(), String> {
        let depth = self.depth;
        match event {
            EventData::MappingStart { .. } => {
                if depth == 1 && self.count[1] != 1 {
                    return Err("has more than one \"key:value\" at depth 1".into());
                }
                if depth >= DEPTH_MAX {
                    return Err(format!("has a depth greater than {DEPTH_MAX}"));
                }
                self.depth += 1;
            }
            EventData::MappingEnd => {
                if depth == DEPTH_MAX && !std::mem::take(&mut self.sequence) {
                    return Err(format!("missing sequence directive at depth {depth}"));
                }
                self.depth -= 1;
                self.count[self.depth] = 0;
            }
            EventData::SequenceStart { .. } => {
                if self.sequence {
                    return Err("has more than one sequence directive".into());
                }
                if depth != DEPTH_MAX {
                    return Err(format!("has sequence at depth {depth} instead of {DEPTH_MAX}"));
                }
                if self.count[depth] != 1 {
                    return Err(format!("has invalid \"key:value\" at depth {depth}"));
                }
                self.sequence = true;
            }
            EventData::SequenceEnd => self.count[depth] = 0,
            EventData::Scalar { .. } => {
                if depth == 0 {
                    return Err("has invalid empty \"key:\" at depth 0".into());
                }
                if depth == 1 && self.count[1] != 0 {
                    return Err("has invalid mapping \"key:\" at depth 1".into());
                }
                if depth == DEPTH_MAX && self.count[depth] == 2 {
                    self.count[depth] = 0;
                }
                self.count[depth] += 1;
            }
            _ => {}
        }
        Ok(())
    }
}

/// Splits the events of a well-shaped file into sections.
fn sections(events: &[Event]) -> (Vec<Section>, Vec<Reason>) {
    let mut sections: Vec<Section> = Vec::new();
    let mut reasons = Vec::new();
    let mut depth = 0;
    let mut in_sequence = false;
    let mut key: Option<String> = None;
    for event in events {
        match &event.data {
            EventData::MappingStart { .. } => depth += 1,
            EventData::MappingEnd => depth -= 1,
            EventData::SequenceStart { .. } => in_sequence = true,
            EventData::SequenceEnd => {
                in_sequence = false;
                key = None;
            }
            EventData::Scalar { value, .. } => {
                let position = place(event.start_mark);
                if value.is_empty() {
                    reasons.push(Reason::silent(Some(position), "a name or value is empty"));
                }
                if depth == 1 {
                    sections.push(Section { name: value.clone(), position, leaves: Vec::new() });
                } else if let Some(directive) = key.clone() {
                    if !directive.is_empty() && !value.is_empty() {
                        let leaf = Leaf { key: directive, value: value.clone(), position };
                        sections.last_mut().expect("a pool's name comes first").leaves.push(leaf);
                    }
                    if !in_sequence {
                        key = None;
                    }
                } else {
                    key = Some(value.clone());
                }
            }
            _ => {}
        }
    }
    (sections, reasons)
}
