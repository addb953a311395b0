//! One run of a script on a store.

use std::cell::RefCell;

use mlua::{Function, Lua, MultiValue, Table, Value};
use wire::redis::{Version, encode};

use super::command::{self, Rules};
use super::reply::{self, Versions};
use crate::lua::budget::OVER;
use crate::lua::value::{Fault, one, print, raised, text_of};
use crate::lua::{Context, Engine};
use crate::{Audience, Store};

/// One run of a script.
pub(super) struct Run<'a> {
    pub(super) function: &'a Function,
    /// Its sha, for errors.
    pub(super) name: &'a str,
    pub(super) keys: &'a [&'a [u8]],
    pub(super) arguments: &'a [&'a [u8]],
    pub(super) reads_only: bool,
    pub(super) now_ms: u64,
    /// The client's.
    pub(super) version: Version,
    /// Receivers of its messages.
    pub(super) audience: Audience<'a>,
}

/// Runs a script and appends its reply.
pub(super) fn run(engine: &mut Engine, store: &mut Store, run: &Run<'_>, out: &mut Vec<u8>) {
    let context = &engine.context;
    context.begin(store.below(usize::MAX) as u64);
    let start = out.len();
    let ended = called(engine, store, run).and_then(|(ended_well, value)| {
        let versions = Versions { client: run.version, script: context.version.get() };
        match (ended_well && !context.budget.is_over(), value) {
            (true, value) => reply::from_lua(&value, versions, out)?,
            (false, error) => encode::error(out, &error_line(context, &error, run.name)),
        }
        Ok(())
    });
    if let Err(error) = ended {
        out.truncate(start);
        let text = error.to_string();
        let line = text.lines().next().unwrap_or_default();
        encode::error(out, format!("ERR Error running script (call to f_{}): {line}", run.name).as_bytes());
    }
    engine.collect_garbage();
}

/// Calls the prelude: whether the script ended well, and its result or error.
fn called(engine: &Engine, store: &mut Store, run: &Run<'_>) -> mlua::Result<(bool, Value)> {
    let (lua, context) = (&engine.lua, &engine.context);
    let keys = strings(lua, run.keys)?;
    let arguments = strings(lua, run.arguments)?;
    let rules = Rules { reads_only: run.reads_only, now_ms: run.now_ms, audience: run.audience };
    let desk = RefCell::new(Desk { store, rules, context, words: Vec::new(), reply: Vec::new() });
    lua.scope(|scope| {
        let call = scope.create_function(|lua, args| desk.borrow_mut().take(lua, &args, true))?;
        let pcall = scope.create_function(|lua, args| desk.borrow_mut().take(lua, &args, false))?;
        engine.run.call((run.function, call, pcall, keys, arguments))
    })
}

/// A table of strings.
fn strings(lua: &Lua, words: &[&[u8]]) -> mlua::Result<Table> {
    let table = lua.create_table_with_capacity(words.len(), 0)?;
    for (at, word) in words.iter().enumerate() {
        table.raw_set(at + 1, lua.create_string(word)?)?;
    }
    Ok(table)
}

/// The error reply's text: what went wrong, and where.
fn error_line(context: &Context, error: &Value, name: &str) -> Vec<u8> {
    if context.budget.is_over() {
        return OVER.into();
    }
    let error = match error {
        Value::Table(error) => error,
        // Lua itself had no memory or no stack left to describe it.
        Value::String(text) => return [b"ERR ", &*text.as_bytes()].concat(),
        _ => return format!("ERR Error running script (call to f_{name})").into(),
    };
    let text = |field| match error.raw_get::<Value>(field) {
        Ok(Value::String(text)) => Some(text.as_bytes().to_vec()),
        Ok(Value::Integer(number)) => Some(number.to_string().into_bytes()),
        _ => None,
    };
    let mut line = text("err").unwrap_or_else(|| b"ERR unknown error".to_vec());
    if line.first() == Some(&b'-') {
        line.remove(0);
    }
    if let (Some(source), Some(at)) = (text("source"), text("line")) {
        let place = [b" script: ", name.as_bytes(), b", on ", &source, b":", &at, b"."];
        line.extend_from_slice(&place.concat());
    }
    line
}

/// Receiver of a script's commands.
struct Desk<'a> {
    store: &'a mut Store,
    rules: Rules<'a>,
    context: &'a Context,
    words: Vec<Vec<u8>>,
    reply: Vec<u8>,
}

impl Desk<'_> {
    /// Runs a command of `redis.call`, or, if it does not raise errors, of `redis.pcall`.
    fn take(&mut self, lua: &Lua, args: &MultiValue, raises: bool) -> mlua::Result<MultiValue> {
        let budget = &self.context.budget;
        self.reply.clear();
        if gather(lua, args, &mut self.words)? {
            let words: Vec<&[u8]> = self.words.iter().map(Vec::as_slice).collect();
            budget.charge_bytes(words.iter().map(|word| word.len()).sum())?;
            command::execute(self.store, &words, self.rules, self.context.version.get(), &mut self.reply);
        } else {
            encode::error(&mut self.reply, command::NOT_A_WORD);
        }
        budget.charge_and_look(command::STEPS)?;
        budget.charge_bytes(self.reply.len())?;
        match self.reply.strip_prefix(b"-") {
            Some(error) if raises => raised(lua, Err(Fault::Reply(error.trim_ascii_end().into()))),
            _ => Ok(one(reply::to_lua(lua, &self.reply)?)),
        }
    }
}

/// The words of a command from the arguments of `redis.call`; false if one is neither string nor number.
fn gather(lua: &Lua, args: &MultiValue, words: &mut Vec<Vec<u8>>) -> mlua::Result<bool> {
    words.clear();
    for (at, arg) in args.iter().enumerate() {
        words.push(match arg {
            Value::Number(number) => print(*number, 17).into_bytes(),
            Value::Integer(number) if number.unsigned_abs() >= 100_000_000_000_000_000 => {
                print(*number as f64, 17).into_bytes()
            }
            Value::Integer(number) => number.to_string().into_bytes(),
            Value::String(_) => match text_of(lua, args, at, "call") {
                Ok(text) => text.as_bytes().to_vec(),
                Err(_) => return Ok(false),
            },
            _ => return Ok(false),
        });
    }
    Ok(true)
}
