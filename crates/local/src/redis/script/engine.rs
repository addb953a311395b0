//! The interpreter: one state of Lua for all scripts of a store, and the run of one of them.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use mlua::{Function, HookTriggers, Lua, LuaOptions, MultiValue, StdLib, Table, Value, VmState};
use wire::redis::{Version, encode};

use super::budget::{Budget, INTERVAL, OVER};
use super::command::{self, Rules};
use super::context::Context;
use super::json::Settings;
use super::native;
use super::reply::{self, Versions};
use super::value::{CHUNK_NAME, Fault, one, print, raised, text_of};
use crate::{Audience, Store};

/// Most memory that the interpreter takes, all scripts together.
const MEMORY_BYTES_MAX: usize = 64 << 20;
/// Garbage beyond which it is collected after a run.
const GARBAGE_BYTES_MAX: usize = 8 << 20;

/// The interpreter with its libraries.
pub(super) struct Engine {
    lua: Lua,
    context: Rc<Context>,
    /// Runs a script: the prelude's.
    run: Function,
    /// Environment of scripts: all that they see.
    environment: Table,
    /// Memory that was in use when garbage was last collected.
    used_bytes: usize,
}

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

impl Engine {
    /// A new interpreter. Fails only if there is no memory for it.
    pub(super) fn new() -> mlua::Result<Engine> {
        let libraries = StdLib::TABLE | StdLib::STRING | StdLib::MATH;
        let lua = Lua::new_with(libraries, LuaOptions::default())?;
        let context = Rc::new(Context {
            budget: Budget::new(),
            json: RefCell::new(Settings::default()),
            version: Cell::new(Version::Resp2),
            dice: Cell::new(0),
        });
        let shared = Rc::clone(&context);
        // A hook of all threads, so that coroutines are counted as well.
        lua.set_global_hook(HookTriggers::new().every_nth_instruction(INTERVAL), move |_, _| {
            shared.budget.charge_and_look(u64::from(INTERVAL))?;
            Ok(VmState::Continue)
        })?;
        let limit = lua.create_table()?;
        limit.raw_set("err", OVER)?;
        let prelude = lua.load(include_str!("prelude.lua")).set_name("@prelude");
        let natives = native::table(&lua, &context)?;
        let (run, environment): (Function, Table) = prelude.call((natives, limit))?;
        lua.gc_collect()?;
        lua.set_memory_limit(MEMORY_BYTES_MAX)?;
        let used_bytes = lua.used_memory();
        Ok(Engine { lua, context, run, environment, used_bytes })
    }

    /// Compiles a script.
    pub(super) fn compile(&self, source: &[u8]) -> Result<Function, String> {
        native::compiled(&self.lua, source, CHUNK_NAME, &self.environment).map_err(|error| match error {
            mlua::Error::SyntaxError { message, .. } => message,
            other => other.to_string(),
        })
    }

    /// Runs a script and appends its reply.
    pub(super) fn run(&mut self, store: &mut Store, run: &Run<'_>, out: &mut Vec<u8>) {
        let context = &self.context;
        context.budget.begin();
        context.version.set(Version::Resp2);
        *context.json.borrow_mut() = Settings::default();
        context.dice.set(store.below(usize::MAX) as u64);
        let start = out.len();
        let ended = self.call(store, run).and_then(|(ended_well, value)| {
            let versions = Versions { client: run.version, script: context.version.get() };
            match (ended_well && !context.budget.is_over(), value) {
                (true, value) => reply::from_lua(&value, versions, out)?,
                (false, error) => encode::error(out, &self.error_line(&error, run.name)),
            }
            Ok(())
        });
        if let Err(error) = ended {
            out.truncate(start);
            let text = error.to_string();
            let line = text.lines().next().unwrap_or_default();
            encode::error(
                out,
                format!("ERR Error running script (call to f_{}): {line}", run.name).as_bytes(),
            );
        }
        self.collect_garbage();
    }

    fn call(&self, store: &mut Store, run: &Run<'_>) -> mlua::Result<(bool, Value)> {
        let (lua, context) = (&self.lua, &self.context);
        let keys = self.strings(run.keys)?;
        let arguments = self.strings(run.arguments)?;
        let rules = Rules { reads_only: run.reads_only, now_ms: run.now_ms, audience: run.audience };
        let desk = RefCell::new(Desk { store, rules, context, words: Vec::new(), reply: Vec::new() });
        lua.scope(|scope| {
            let call = scope.create_function(|lua, args| desk.borrow_mut().take(lua, &args, true))?;
            let pcall = scope.create_function(|lua, args| desk.borrow_mut().take(lua, &args, false))?;
            self.run.call((run.function, call, pcall, keys, arguments))
        })
    }

    fn strings(&self, words: &[&[u8]]) -> mlua::Result<Table> {
        let table = self.lua.create_table_with_capacity(words.len(), 0)?;
        for (at, word) in words.iter().enumerate() {
            table.raw_set(at + 1, self.lua.create_string(word)?)?;
        }
        Ok(table)
    }

    /// The error reply's text: what went wrong, and where.
    fn error_line(&self, error: &Value, name: &str) -> Vec<u8> {
        if self.context.budget.is_over() {
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

    fn collect_garbage(&mut self) {
        if self.lua.used_memory() > self.used_bytes + GARBAGE_BYTES_MAX {
            // Fails only in finalizers, of which there are none.
            let _ = self.lua.gc_collect();
            self.used_bytes = self.lua.used_memory();
        }
    }
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

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("used_bytes", &self.lua.used_memory()).finish_non_exhaustive()
    }
}
