//! Functions of `string` that are written in Rust, since those in C take time that nobody counts.

use mlua::{Lua, MultiValue, Value};

use super::context::Context;
use super::pattern::{self, Capture, Found};
use super::value::{Fault, bad_argument, number_of, one, optional_number, text_of};

/// Longest string of `string.rep` and `string.gsub`.
const REPEATED_BYTES_MAX: usize = 16 << 20;

/// `string.find(subject, pattern, init, plain)`
pub(super) fn find(lua: &Lua, args: &MultiValue, context: &Context) -> Result<MultiValue, Fault> {
    let subject = text_of(lua, args, 0, "find")?;
    let pattern = text_of(lua, args, 1, "find")?;
    let (subject, pattern) = (subject.as_bytes(), pattern.as_bytes());
    let init = start_of(optional_number(lua, args, 2, "find")?.unwrap_or(1.0), subject.len());
    let is_plain = is_true(args.get(3)) || !pattern.iter().any(|byte| b"^$*+?.([%-".contains(byte));
    let found = if is_plain {
        let found = pattern::find_plain(&subject, &pattern, init, &context.budget)?;
        found.map(|at| span(at, at + pattern.len()))
    } else {
        let found = pattern::find(&subject, &pattern, init, true, &context.budget)?;
        found.map(|found| with_captures(lua, &subject, &found)).transpose()?
    };
    Ok(found.unwrap_or_else(|| one(Value::Nil)))
}

/// `search(subject, pattern, init, anchors)`: first, last and the captures of a match, for the prelude.
pub(super) fn search(lua: &Lua, args: &MultiValue, context: &Context) -> Result<MultiValue, Fault> {
    let subject = text_of(lua, args, 0, "gmatch")?;
    let pattern = text_of(lua, args, 1, "gmatch")?;
    let (subject, pattern) = (subject.as_bytes(), pattern.as_bytes());
    let init = start_of(number_of(lua, args, 2, "gmatch")?, subject.len());
    let found = pattern::find(&subject, &pattern, init, is_true(args.get(3)), &context.budget)?;
    match found {
        None => Ok(one(Value::Nil)),
        Some(found) => Ok(with_captures(lua, &subject, &found)?),
    }
}

fn with_captures(lua: &Lua, subject: &[u8], found: &Found) -> mlua::Result<MultiValue> {
    let mut values = span(found.start, found.end);
    for capture in &found.captures {
        values.push_back(capture_value(lua, subject, *capture)?);
    }
    Ok(values)
}

fn is_true(value: Option<&Value>) -> bool {
    !matches!(value, None | Some(Value::Nil | Value::Boolean(false)))
}

/// `match(subject, pattern, init)`: the captures, or the whole match where there are none.
pub(super) fn match_once(lua: &Lua, args: &MultiValue, context: &Context) -> Result<MultiValue, Fault> {
    let subject = text_of(lua, args, 0, "match")?;
    let pattern = text_of(lua, args, 1, "match")?;
    let (subject, pattern) = (subject.as_bytes(), pattern.as_bytes());
    let init = start_of(optional_number(lua, args, 2, "match")?.unwrap_or(1.0), subject.len());
    let Some(found) = pattern::find(&subject, &pattern, init, true, &context.budget)? else {
        return Ok(one(Value::Nil));
    };
    let mut values = MultiValue::new();
    for capture in &found.captures {
        values.push_back(capture_value(lua, &subject, *capture)?);
    }
    if values.is_empty() {
        values.push_back(Value::String(lua.create_string(&subject[found.start..found.end])?));
    }
    Ok(values)
}

fn capture_value(lua: &Lua, subject: &[u8], capture: Capture) -> mlua::Result<Value> {
    Ok(match capture {
        Capture::Span(start, end) => Value::String(lua.create_string(&subject[start..end])?),
        Capture::Position(at) => Value::Integer(at as i64 + 1),
    })
}

/// `gsub(subject, pattern, template, most)`: with a template, which is a string.
pub(super) fn gsub(lua: &Lua, args: &MultiValue, context: &Context) -> Result<MultiValue, Fault> {
    let subject = text_of(lua, args, 0, "gsub")?;
    let pattern = text_of(lua, args, 1, "gsub")?;
    let Ok(template) = text_of(lua, args, 2, "gsub") else {
        return Err(bad_argument(3, "gsub", "string/function/table expected"));
    };
    let (subject, pattern, template) = (subject.as_bytes(), pattern.as_bytes(), template.as_bytes());
    let most = optional_number(lua, args, 3, "gsub")?.unwrap_or(f64::INFINITY);
    let (mut out, mut at, mut from, mut count) = (Vec::new(), 0, 0, 0);
    while f64::from(count) < most && at <= subject.len() {
        let Some(found) = pattern::find(&subject, &pattern, at, true, &context.budget)? else { break };
        count += 1;
        out.extend_from_slice(&subject[from..found.start]);
        expand(&template, &subject, &found, context, &mut out)?;
        (from, at) = (found.end, found.end);
        if found.end == found.start {
            // Nothing was matched: the next character is kept.
            out.extend(subject.get(at));
            (from, at) = ((at + 1).min(subject.len()), at + 1);
        }
        if pattern.first() == Some(&b'^') {
            break;
        }
    }
    out.extend_from_slice(&subject[from..]);
    context.budget.charge_bytes(out.len())?;
    Ok(MultiValue::from_iter([Value::String(lua.create_string(out)?), Value::Integer(i64::from(count))]))
}

/// Appends a template with its `%0` to `%9` filled in.
fn expand(
    template: &[u8],
    subject: &[u8],
    found: &Found,
    context: &Context,
    out: &mut Vec<u8>,
) -> Result<(), Fault> {
    let mut bytes = template.iter();
    while let Some(&byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        match bytes.next() {
            Some(b'0') => out.extend_from_slice(&subject[found.start..found.end]),
            // The whole match is the first capture where there is none.
            Some(b'1') if found.captures.is_empty() => {
                out.extend_from_slice(&subject[found.start..found.end]);
            }
            Some(digit @ b'1'..=b'9') => match found.captures.get(usize::from(digit - b'1')) {
                Some(Capture::Span(start, end)) => out.extend_from_slice(&subject[*start..*end]),
                Some(Capture::Position(at)) => out.extend_from_slice((at + 1).to_string().as_bytes()),
                None => return Err("invalid capture index".into()),
            },
            Some(&other) => out.push(other),
            None => out.push(0),
        }
    }
    if out.len() > REPEATED_BYTES_MAX {
        return Err("not enough memory".into());
    }
    Ok(context.budget.charge_bytes(template.len())?)
}

fn span(start: usize, end: usize) -> MultiValue {
    MultiValue::from_iter([Value::Integer(start as i64 + 1), Value::Integer(end as i64)])
}

/// Start of a search: counted from 1, or from the end if negative; within the subject.
fn start_of(init: f64, length: usize) -> usize {
    let at = if init < 0.0 { length as f64 + init } else { init - 1.0 };
    (at.max(0.0) as usize).min(length)
}

/// `string.rep(text, n)`
pub(super) fn rep(lua: &Lua, args: &MultiValue, context: &Context) -> Result<MultiValue, Fault> {
    let text = text_of(lua, args, 0, "rep")?;
    let text = text.as_bytes();
    let times = number_of(lua, args, 1, "rep")?.max(0.0) as usize;
    let length = text.len().saturating_mul(times);
    if length > REPEATED_BYTES_MAX {
        return Err("not enough memory".into());
    }
    context.budget.charge_bytes(length)?;
    let repeated = if text.is_empty() { Vec::new() } else { text.repeat(times) };
    Ok(one(Value::String(lua.create_string(repeated)?)))
}
