//! Values of Lua for functions that are written in Rust: arguments, results, numbers as text.

use std::fmt;

use mlua::{Lua, LuaString, MultiValue, Value};

use super::budget::Over;

/// Failure of a native function.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The script gets this text as an error, behind the place of the call.
    Text(String),
    /// The script gets a table with this error reply.
    Reply(Vec<u8>),
    /// A limit was reached, or Lua has no memory left.
    Lua(mlua::Error),
}

impl From<mlua::Error> for Fault {
    fn from(error: mlua::Error) -> Fault {
        Fault::Lua(error)
    }
}

impl From<Over> for Fault {
    fn from(over: Over) -> Fault {
        Fault::Lua(over.into())
    }
}

impl From<&str> for Fault {
    fn from(text: &str) -> Fault {
        Fault::Text(text.to_owned())
    }
}

impl Fault {
    /// An error reply with the code `ERR`.
    pub(crate) fn reply(text: &str) -> Fault {
        Fault::Reply(format!("ERR {text}").into_bytes())
    }
}

/// An error on its way through Lua, which carries those of Rust as objects that scripts cannot look into:
/// the prelude's `pcall` gives them [`value_of_error`].
#[derive(Debug)]
struct Raised {
    text: Vec<u8>,
    is_reply: bool,
}

impl fmt::Display for Raised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.text))
    }
}

impl std::error::Error for Raised {}

/// The result of a native function, with its failure as an error of Lua.
pub(crate) fn raised(lua: &Lua, result: Result<MultiValue, Fault>) -> mlua::Result<MultiValue> {
    result.map_err(|fault| match fault {
        Fault::Text(text) => {
            let text = [place(lua).as_bytes(), text.as_bytes()].concat();
            mlua::Error::external(Raised { text, is_reply: false })
        }
        Fault::Reply(text) => mlua::Error::external(Raised { text, is_reply: true }),
        Fault::Lua(error) => error,
    })
}

/// Name of a script's source, as Redis has it.
pub(crate) const CHUNK_NAME: &str = "@user_script";
/// Levels of the stack on which the script's place is looked for.
const LEVELS_MAX: usize = 16;

/// The line of the script that is running, if it is found from a level of the stack on.
pub(crate) fn line_of_script(lua: &Lua) -> Option<usize> {
    for level in 1..LEVELS_MAX {
        let line = lua.inspect_stack(level, |debug| {
            let is_script = debug.source().source.is_some_and(|source| source == CHUNK_NAME);
            debug.current_line().filter(|_| is_script)
        })?;
        if line.is_some() {
            return line;
        }
    }
    None
}

/// The place of the script that Lua puts in front of an error.
fn place(lua: &Lua) -> String {
    line_of_script(lua).map_or_else(String::new, |line| format!("user_script:{line}: "))
}

/// The value that a script sees of an error: a string, or a table with an error reply.
pub(crate) fn value_of_error(lua: &Lua, error: &mlua::Error) -> mlua::Result<Value> {
    let mut cause = error;
    while let mlua::Error::CallbackError { cause: inner, .. } = cause {
        cause = inner;
    }
    let text = match cause {
        mlua::Error::ExternalError(error) => match error.downcast_ref::<Raised>() {
            Some(raised) if raised.is_reply => {
                let table = lua.create_table_with_capacity(0, 3)?;
                table.raw_set("err", lua.create_string(&raised.text)?)?;
                return Ok(Value::Table(table));
            }
            Some(raised) => raised.text.clone(),
            None => error.to_string().into_bytes(),
        },
        mlua::Error::RuntimeError(text) => text.clone().into_bytes(),
        mlua::Error::MemoryError(_) => b"not enough memory".to_vec(),
        other => other.to_string().lines().next().unwrap_or_default().into(),
    };
    Ok(Value::String(lua.create_string(text)?))
}

/// One value as a result.
pub(crate) fn one(value: Value) -> MultiValue {
    MultiValue::from_iter([value])
}

/// The error of an argument that is wrong; they are counted from 1.
pub(crate) fn bad_argument(at: usize, function: &str, what: &str) -> Fault {
    Fault::Text(format!("bad argument #{at} to '{function}' ({what})"))
}

/// An argument that is a string, or a number as one.
pub(crate) fn text_of(lua: &Lua, args: &MultiValue, at: usize, function: &str) -> Result<LuaString, Fault> {
    let value = args.get(at).cloned().unwrap_or(Value::Nil);
    let name = name_of(args.get(at));
    match value {
        Value::String(text) => Ok(text),
        Value::Integer(_) | Value::Number(_) => {
            Ok(lua.coerce_string(value)?.ok_or(Fault::Text(String::new()))?)
        }
        _ => Err(bad_argument(at + 1, function, &format!("string expected, got {name}"))),
    }
}

/// An argument that is a number, or a string that reads as one.
pub(crate) fn number_of(lua: &Lua, args: &MultiValue, at: usize, function: &str) -> Result<f64, Fault> {
    let value = args.get(at).cloned().unwrap_or(Value::Nil);
    let name = name_of(args.get(at));
    lua.coerce_number(value)?
        .ok_or_else(|| bad_argument(at + 1, function, &format!("number expected, got {name}")))
}

/// An argument that is a number, if it is there.
pub(crate) fn optional_number(
    lua: &Lua,
    args: &MultiValue,
    at: usize,
    function: &str,
) -> Result<Option<f64>, Fault> {
    match args.get(at) {
        None | Some(Value::Nil) => Ok(None),
        Some(_) => number_of(lua, args, at, function).map(Some),
    }
}

/// Lua's name for the type of a value.
pub(crate) fn name_of(value: Option<&Value>) -> &'static str {
    match value {
        None => "no value",
        Some(Value::Integer(_)) => "number",
        Some(Value::Error(_)) => "userdata",
        Some(Value::LightUserData(_)) => "userdata",
        Some(value) => value.type_name(),
    }
}

/// The double of a number.
pub(crate) fn double(value: &Value) -> Option<f64> {
    match value {
        Value::Integer(n) => Some(*n as f64),
        Value::Number(n) => Some(*n),
        _ => None,
    }
}

/// A number as C prints it with `%.{digits}g`.
pub(crate) fn print(number: f64, digits: usize) -> String {
    if number.is_nan() {
        return if number.is_sign_negative() { "-nan" } else { "nan" }.to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    if number == number.trunc() && number.abs() < 1e14_f64.min(10f64.powi(digits as i32)) {
        return if number == 0.0 && number.is_sign_negative() {
            "-0".to_owned()
        } else {
            (number as i64).to_string()
        };
    }
    let scientific = format!("{number:.*e}", digits - 1);
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if exponent < -4 || exponent >= digits as i32 {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{}e{sign}{:02}", without_zeros(mantissa), exponent.abs());
    }
    let decimals = (digits as i32 - 1 - exponent) as usize;
    without_zeros(&format!("{number:.decimals$}")).to_owned()
}

fn without_zeros(text: &str) -> &str {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text }
}

#[cfg(test)]
mod tests {
    #[test]
    fn numbers_are_printed_as_in_c() {
        for (number, digits, text) in [
            (0.1, 17, "0.10000000000000001"),
            (0.1, 14, "0.1"),
            (1e17, 17, "1e+17"),
            (1e16, 17, "10000000000000000"),
            (-2.5e-7, 14, "-2.5e-07"),
            (1e14, 14, "1e+14"),
            (123_456.0, 14, "123456"),
            (-0.0, 17, "-0"),
            (f64::NEG_INFINITY, 17, "-inf"),
        ] {
            assert_eq!(super::print(number, digits), text);
        }
    }
}
