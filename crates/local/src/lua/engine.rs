//! The interpreter: one state of Lua for all scripts of a store.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use mlua::{Function, HookTriggers, Lua, LuaOptions, StdLib, Table, VmState};
use wire::redis::Version;

use super::budget::{Budget, INTERVAL, OVER};
use super::context::Context;
use super::json::Settings;
use super::native;
use super::value::CHUNK_NAME;

/// Most memory that the interpreter takes, all scripts together.
const MEMORY_BYTES_MAX: usize = 64 << 20;
/// Garbage beyond which it is collected after a run.
const GARBAGE_BYTES_MAX: usize = 8 << 20;

/// The interpreter with its libraries.
pub(crate) struct Engine {
    pub(crate) lua: Lua,
    pub(crate) context: Rc<Context>,
    /// Runs a script: the prelude's.
    pub(crate) run: Function,
    /// Environment of scripts: all that they see.
    environment: Table,
    /// Memory that was in use when garbage was last collected.
    used_bytes: usize,
}

impl Engine {
    /// A new interpreter. Fails only if there is no memory for it.
    pub(crate) fn new() -> mlua::Result<Engine> {
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
    pub(crate) fn compile(&self, source: &[u8]) -> Result<Function, String> {
        native::compiled(&self.lua, source, CHUNK_NAME, &self.environment).map_err(|error| match error {
            mlua::Error::SyntaxError { message, .. } => message,
            other => other.to_string(),
        })
    }

    /// Collects garbage, once there is much of it.
    pub(crate) fn collect_garbage(&mut self) {
        if self.lua.used_memory() > self.used_bytes + GARBAGE_BYTES_MAX {
            // Fails only in finalizers, of which there are none.
            let _ = self.lua.gc_collect();
            self.used_bytes = self.lua.used_memory();
        }
    }
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("used_bytes", &self.lua.used_memory()).finish_non_exhaustive()
    }
}
