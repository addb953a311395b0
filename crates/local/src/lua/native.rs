//! Functions that the prelude is given: what of the libraries is written in Rust.

use std::rc::Rc;

use mlua::chunk::ChunkMode;
use mlua::{Function, Lua, MultiValue, Table, Value};
use wire::redis::{Version, lookup};

use super::context::Context;
use super::json;
use super::value::{
    CHUNK_NAME, Fault, bad_argument, line_of_script, name_of, number_of, one, optional_number, raised,
    text_of, value_of_error,
};
use super::{bits, msgpack, packing, strings};

type Native = fn(&Lua, &MultiValue, &Context) -> Result<MultiValue, Fault>;

/// The table of all functions.
pub(super) fn table(lua: &Lua, context: &Rc<Context>) -> mlua::Result<Table> {
    let native = lua.create_table()?;
    let all: [(&str, Native); 11] = [
        ("find", strings::find),
        ("search", strings::search),
        ("rep", strings::rep),
        ("random", random),
        ("randomseed", randomseed),
        ("sha1hex", sha1hex),
        ("error_reply", error_reply),
        ("status_reply", status_reply),
        ("log", log),
        ("setresp", setresp),
        ("set_repl", set_repl),
    ];
    for (name, function) in all {
        native.raw_set(name, made(lua, context, function)?)?;
    }
    native.raw_set("acl_check_cmd", made(lua, context, acl_check_cmd)?)?;
    native.raw_set("load", made(lua, context, load)?)?;
    native.raw_set("match", made(lua, context, strings::match_once)?)?;
    native.raw_set("gsub", made(lua, context, strings::gsub)?)?;
    native.raw_set("seen", lua.create_function(seen)?)?;
    native.raw_set("describe", lua.create_function(|lua, error: Value| describe(lua, error))?)?;
    let shared = Rc::clone(context);
    native.raw_set("is_over", lua.create_function(move |_, ()| Ok(shared.budget.is_over()))?)?;
    native.raw_set("cjson", json_library(lua, context)?)?;
    let msgpack: [(&str, Native); 4] = [
        ("pack", |lua, args, it| msgpack::pack(lua, args, &it.budget)),
        ("unpack", |lua, args, it| msgpack::unpack(lua, args, msgpack::Amount::All, &it.budget)),
        ("unpack_one", |lua, args, it| msgpack::unpack(lua, args, msgpack::Amount::One, &it.budget)),
        ("unpack_limit", |lua, args, it| msgpack::unpack(lua, args, msgpack::Amount::Limit, &it.budget)),
    ];
    native.raw_set("cmsgpack", library(lua, context, &msgpack)?)?;
    let packing: [(&str, Native); 3] = [
        ("pack", |lua, args, it| packing::pack(lua, args, &it.budget)),
        ("unpack", |lua, args, it| packing::unpack(lua, args, &it.budget)),
        ("size", |lua, args, it| packing::size(lua, args, &it.budget)),
    ];
    native.raw_set("struct", library(lua, context, &packing)?)?;
    let bit = lua.create_table()?;
    for (name, operation) in bits::OPERATIONS {
        let function = move |lua: &Lua, args: MultiValue| raised(lua, operation(lua, &args));
        bit.raw_set(name, lua.create_function(function)?)?;
    }
    bit.raw_set("tohex", lua.create_function(|lua, args| raised(lua, bits::tohex(lua, &args)))?)?;
    native.raw_set("bit", bit)?;
    Ok(native)
}

fn made(lua: &Lua, context: &Rc<Context>, function: Native) -> mlua::Result<Function> {
    let context = Rc::clone(context);
    lua.create_function(move |lua, args: MultiValue| raised(lua, function(lua, &args, &context)))
}

fn library(lua: &Lua, context: &Rc<Context>, functions: &[(&str, Native)]) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    for (name, function) in functions {
        table.raw_set(*name, made(lua, context, *function)?)?;
    }
    Ok(table)
}

fn json_library(lua: &Lua, context: &Rc<Context>) -> mlua::Result<Table> {
    let functions: [(&str, Native); 9] = [
        ("encode", |lua, args, it| json::encode(lua, args, &it.json.borrow(), &it.budget)),
        ("decode", |lua, args, it| json::decode(lua, args, &it.json.borrow(), &it.budget)),
        ("encode_max_depth", |lua, args, it| depth(lua, args, &mut it.json.borrow_mut().encode_depth_max)),
        ("decode_max_depth", |lua, args, it| depth(lua, args, &mut it.json.borrow_mut().decode_depth_max)),
        ("encode_invalid_numbers", |_, args, it| {
            Ok(switch(args, &mut it.json.borrow_mut().encodes_invalid_numbers))
        }),
        ("decode_invalid_numbers", |_, args, it| {
            Ok(switch(args, &mut it.json.borrow_mut().decodes_invalid_numbers))
        }),
        // The buffer is never kept.
        ("encode_keep_buffer", |_, _, _| Ok(one(Value::Boolean(false)))),
        ("encode_number_precision", precision),
        ("encode_sparse_array", sparse),
    ];
    let table = library(lua, context, &functions)?;
    table.raw_set("null", Value::NULL)?;
    table.raw_set("_NAME", "cjson")?;
    table.raw_set("_VERSION", "2.1.0")?;
    Ok(table)
}

fn depth(lua: &Lua, args: &MultiValue, setting: &mut usize) -> Result<MultiValue, Fault> {
    setting_of(lua, args, 0, setting, 1, i32::MAX as usize)?;
    *setting = (*setting).min(json::DEPTH_MAX);
    Ok(one(Value::Integer(*setting as i64)))
}

fn precision(lua: &Lua, args: &MultiValue, context: &Context) -> Result<MultiValue, Fault> {
    let digits = &mut context.json.borrow_mut().digits;
    setting_of(lua, args, 0, digits, 1, 16)?;
    Ok(one(Value::Integer(*digits as i64)))
}

fn sparse(lua: &Lua, args: &MultiValue, context: &Context) -> Result<MultiValue, Fault> {
    let settings = &mut *context.json.borrow_mut();
    if let Some(Value::Boolean(converts)) = args.front() {
        settings.sparse_as_object = *converts;
    }
    setting_of(lua, args, 1, &mut settings.sparse_ratio, 0, i32::MAX as usize)?;
    setting_of(lua, args, 2, &mut settings.sparse_safe, 0, i32::MAX as usize)?;
    Ok(MultiValue::from_iter([
        Value::Boolean(settings.sparse_as_object),
        Value::Integer(settings.sparse_ratio as i64),
        Value::Integer(settings.sparse_safe as i64),
    ]))
}

fn setting_of(
    lua: &Lua,
    args: &MultiValue,
    at: usize,
    setting: &mut usize,
    least: usize,
    most: usize,
) -> Result<(), Fault> {
    if let Some(number) = optional_number(lua, args, at, "?")? {
        if !(least as f64..=most as f64).contains(&number) {
            let range = format!("expected integer between {least} and {most}");
            return Err(bad_argument(at + 1, "?", &range));
        }
        *setting = number as usize;
    }
    Ok(())
}

fn switch(args: &MultiValue, setting: &mut bool) -> MultiValue {
    match args.front() {
        Some(Value::Boolean(on)) => *setting = *on,
        Some(Value::String(word)) => *setting = *word.as_bytes() == *b"on",
        _ => {}
    }
    one(Value::Boolean(*setting))
}

/// `math.random([m [, n]])`
fn random(lua: &Lua, args: &MultiValue, context: &Context) -> Result<MultiValue, Fault> {
    let state = context.dice.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
    context.dice.set(state);
    let mut mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    let share = ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 53) as f64;
    let (low, high) = match args.len() {
        0 => return Ok(one(Value::Number(share))),
        1 => (1.0, number_of(lua, args, 0, "random")?.trunc()),
        2 => (number_of(lua, args, 0, "random")?.trunc(), number_of(lua, args, 1, "random")?.trunc()),
        _ => return Err("wrong number of arguments".into()),
    };
    if low > high {
        return Err(bad_argument(args.len(), "random", "interval is empty"));
    }
    Ok(one(Value::Number((share * (high - low + 1.0)).floor() + low)))
}

/// `math.randomseed(n)`
fn randomseed(lua: &Lua, args: &MultiValue, context: &Context) -> Result<MultiValue, Fault> {
    context.dice.set(number_of(lua, args, 0, "randomseed")?.to_bits());
    Ok(MultiValue::new())
}

/// `redis.sha1hex(text)`
fn sha1hex(lua: &Lua, args: &MultiValue, context: &Context) -> Result<MultiValue, Fault> {
    if args.len() != 1 {
        return Err(Fault::reply("wrong number of arguments"));
    }
    let text = text_of(lua, args, 0, "sha1hex")?;
    context.budget.charge_bytes(text.as_bytes().len())?;
    let name = super::Name::of(&text.as_bytes()).to_string();
    Ok(one(Value::String(lua.create_string(name)?)))
}

/// `redis.error_reply(text)`
fn error_reply(lua: &Lua, args: &MultiValue, _: &Context) -> Result<MultiValue, Fault> {
    let text = match args.iter().collect::<Vec<_>>()[..] {
        [Value::String(text)] => text.as_bytes().to_vec(),
        _ => b"ERR wrong number or type of arguments".to_vec(),
    };
    let text = text.strip_prefix(b"-").unwrap_or(&text);
    let has_code = text.contains(&b' ');
    let text = if has_code { text.to_vec() } else { [b"ERR ", text].concat() };
    field(lua, "err", &text)
}

/// `redis.status_reply(text)`
fn status_reply(lua: &Lua, args: &MultiValue, _: &Context) -> Result<MultiValue, Fault> {
    match args.iter().collect::<Vec<_>>()[..] {
        [Value::String(text)] => field(lua, "ok", &text.as_bytes()),
        _ => field(lua, "err", b"ERR wrong number or type of arguments"),
    }
}

fn field(lua: &Lua, name: &str, text: &[u8]) -> Result<MultiValue, Fault> {
    let table = lua.create_table()?;
    table.raw_set(name, lua.create_string(text)?)?;
    Ok(one(Value::Table(table)))
}

/// `redis.log(level, text …)`: checked, and not written anywhere.
fn log(lua: &Lua, args: &MultiValue, _: &Context) -> Result<MultiValue, Fault> {
    if args.len() < 2 {
        return Err(Fault::reply("redis.log() requires two arguments or more."));
    }
    if !matches!(args.front(), Some(Value::Integer(_) | Value::Number(_))) {
        return Err(Fault::reply("First argument must be a number (log level)."));
    }
    let level = number_of(lua, args, 0, "log")?;
    if !(0.0..4.0).contains(&level) {
        return Err(Fault::reply("Invalid debug level."));
    }
    Ok(MultiValue::new())
}

/// `redis.setresp(2 | 3)`
fn setresp(lua: &Lua, args: &MultiValue, context: &Context) -> Result<MultiValue, Fault> {
    if args.len() != 1 {
        return Err(Fault::reply("redis.setresp() requires one argument."));
    }
    let version = number_of(lua, args, 0, "setresp")?;
    context.version.set(match version {
        2.0 => Version::Resp2,
        3.0 => Version::Resp3,
        _ => return Err(Fault::reply("RESP version must be 2 or 3.")),
    });
    Ok(MultiValue::new())
}

/// `redis.set_repl(flags)`: nothing is replicated.
fn set_repl(lua: &Lua, args: &MultiValue, _: &Context) -> Result<MultiValue, Fault> {
    if args.len() != 1 {
        return Err(Fault::reply("redis.set_repl() requires one argument."));
    }
    let flags = number_of(lua, args, 0, "set_repl")?;
    if !(0.0..=3.0).contains(&flags) {
        return Err(Fault::reply(
            "Invalid replication flags. Use REPL_AOF, REPL_REPLICA, REPL_ALL or REPL_NONE.",
        ));
    }
    Ok(MultiValue::new())
}

/// `redis.acl_check_cmd(name, argument …)`: whoever may run scripts may run every command in them.
fn acl_check_cmd(lua: &Lua, args: &MultiValue, _: &Context) -> Result<MultiValue, Fault> {
    if args.is_empty() {
        return Err(Fault::reply("Please specify at least one argument for this redis.acl_check_cmd() call"));
    }
    let name = text_of(lua, args, 0, "acl_check_cmd")?;
    if lookup(&name.as_bytes()).is_none() {
        return Err(Fault::reply("Invalid command passed to redis.acl_check_cmd()"));
    }
    Ok(one(Value::Boolean(true)))
}

/// `load(text, name, environment)`: a function from source, never from compiled code.
fn load(lua: &Lua, args: &MultiValue, context: &Context) -> Result<MultiValue, Fault> {
    let text = text_of(lua, args, 0, "loadstring")?;
    let name = match args.get(1) {
        Some(Value::String(name)) => name.to_string_lossy(),
        _ => text.to_string_lossy(),
    };
    let Some(Value::Table(environment)) = args.get(2) else { return Err("no environment".into()) };
    // Parsing costs more than copying.
    context.budget.charge(text.as_bytes().len() as u64)?;
    match compiled(lua, &text.as_bytes(), &name, environment) {
        Ok(function) => Ok(one(Value::Function(function))),
        Err(mlua::Error::SyntaxError { message, .. }) => Err(Fault::Text(message)),
        Err(error) => Err(error.into()),
    }
}

/// A function from source that sees the environment of scripts.
pub(super) fn compiled(lua: &Lua, source: &[u8], name: &str, environment: &Table) -> mlua::Result<Function> {
    let chunk = lua.load(source).set_name(name).set_mode(ChunkMode::Text);
    chunk.set_environment(environment.clone()).into_function()
}

/// A table with the text of an error, and where in the script it happened: what `xpcall` returns.
fn describe(lua: &Lua, error: Value) -> mlua::Result<Value> {
    let error = match error {
        Value::Error(error) => value_of_error(lua, &error)?,
        other => other,
    };
    let table = match error {
        Value::Table(table) => table,
        other => {
            let text = match &other {
                Value::String(text) => text.as_bytes().to_vec(),
                Value::Integer(number) => number.to_string().into_bytes(),
                other => format!("(error object is a {} value)", name_of(Some(other))).into_bytes(),
            };
            let table = lua.create_table()?;
            table.raw_set("err", lua.create_string([b"ERR ", text.as_slice()].concat())?)?;
            table
        }
    };
    if let Some(line) = line_of_script(lua) {
        table.raw_set("source", CHUNK_NAME)?;
        table.raw_set("line", line)?;
    }
    Ok(Value::Table(table))
}

/// A caught error as the script sees it.
fn seen(lua: &Lua, error: Value) -> mlua::Result<Value> {
    match error {
        Value::Error(error) => value_of_error(lua, &error),
        other => Ok(other),
    }
}
