//! Scripts that a store keeps, by the sha of their source, compiled.
//!
//! At most [`SCRIPTS_MAX`] of them are kept, with [`SOURCE_BYTES_MAX`] together: the one that was not used
//! for longest goes first, and who asks for it gets `NOSCRIPT`, as after a restart of Redis.

use std::borrow::Cow;
use std::collections::HashMap;

use mlua::Function;

use crate::lua::{Engine, Name};

/// Most scripts that are kept.
pub const SCRIPTS_MAX: usize = 1_024;
/// Most bytes of source that are kept, and of one script.
pub const SOURCE_BYTES_MAX: usize = 4 << 20;

/// The scripts of a store, and the interpreter once there is one.
#[derive(Debug, Default)]
pub(crate) struct Scripts {
    kept: HashMap<Name, Script>,
    source_bytes: usize,
    /// Counts uses, to know which one was last.
    uses: u64,
    // Last, since functions of the scripts live in it.
    engine: Option<Engine>,
}

/// A compiled script.
#[derive(Debug)]
pub(crate) struct Script {
    pub(crate) function: Function,
    source_bytes: usize,
    /// It says itself that it writes nothing (`#!lua flags=no-writes`).
    pub(crate) reads_only: bool,
    last_use: u64,
}

impl Scripts {
    fn engine(&mut self) -> Result<&mut Engine, String> {
        if self.engine.is_none() {
            self.engine = Some(Engine::new().map_err(|error| format!("ERR {error}"))?);
        }
        Ok(self.engine.as_mut().expect("it was made"))
    }

    /// Keeps a script; compiles it if it is new.
    pub(crate) fn keep(&mut self, source: &[u8]) -> Result<Name, String> {
        let name = Name::of(source);
        if self.kept.contains_key(&name) {
            return Ok(name);
        }
        if source.len() > SOURCE_BYTES_MAX {
            return Err(format!("ERR a script has at most {SOURCE_BYTES_MAX} bytes"));
        }
        let (reads_only, body) = head(source)?;
        let function = self.engine()?.compile(&body);
        let function =
            function.map_err(|message| format!("ERR Error compiling script (new function): {message}"))?;
        while self.kept.len() >= SCRIPTS_MAX || self.source_bytes + source.len() > SOURCE_BYTES_MAX {
            let oldest = self.kept.iter().min_by_key(|(_, script)| script.last_use).map(|(name, _)| *name);
            let Some(gone) = oldest.and_then(|name| self.kept.remove(&name)) else { break };
            self.source_bytes -= gone.source_bytes;
        }
        self.uses += 1;
        self.source_bytes += source.len();
        let script = Script { function, source_bytes: source.len(), reads_only, last_use: self.uses };
        self.kept.insert(name, script);
        Ok(name)
    }

    /// True if this script is kept.
    pub(crate) fn keeps(&self, name: Name) -> bool {
        self.kept.contains_key(&name)
    }

    /// Number of kept scripts, and the bytes of their sources.
    #[cfg(test)]
    pub(crate) fn size(&self) -> (usize, usize) {
        (self.kept.len(), self.source_bytes)
    }

    /// A kept script, which counts as used, and the interpreter to run it.
    pub(crate) fn take_up(&mut self, name: Name) -> Option<(&Script, &mut Engine)> {
        let script = self.kept.get_mut(&name)?;
        self.uses += 1;
        script.last_use = self.uses;
        Some((script, self.engine.as_mut()?))
    }
}

/// The flags of a first line such as `#!lua flags=no-writes`, and the source without it. Its line end stays,
/// so that lines keep their numbers.
fn head(source: &[u8]) -> Result<(bool, Cow<'_, [u8]>), String> {
    let Some(rest) = source.strip_prefix(b"#!") else { return Ok((false, source.into())) };
    let end = memchr::memchr(b'\n', rest).ok_or("ERR Invalid script shebang")?;
    let line = String::from_utf8_lossy(&rest[..end]);
    let mut words = line.split_ascii_whitespace();
    let engine = words.next().unwrap_or_default();
    if engine != "lua" {
        return Err(format!("ERR Unexpected engine in script shebang: #!{engine}"));
    }
    let mut reads_only = false;
    for word in words {
        let Some(flags) = word.strip_prefix("flags=") else {
            return Err(format!("ERR Unknown lua shebang option: {word}"));
        };
        for flag in flags.split(',').filter(|flag| !flag.is_empty()) {
            match flag {
                "no-writes" => reads_only = true,
                "allow-oom" | "allow-stale" | "no-cluster" | "allow-cross-slot-keys" => {}
                other => return Err(format!("ERR Unexpected flag in script shebang: {other}")),
            }
        }
    }
    Ok((reads_only, rest[end..].into()))
}
