//! `bit`: operations on 32 bits, as `LuaBitOp` has them.

use mlua::{Lua, MultiValue, Value};

use super::value::{Fault, number_of, one};

/// An operation of the library.
pub(super) type Operation = fn(&Lua, &MultiValue) -> Result<MultiValue, Fault>;

/// Every operation that returns a number, by name.
pub(super) const OPERATIONS: [(&str, Operation); 11] = [
    ("tobit", |lua, args| Ok(number(bits(lua, args, 0, "tobit")?))),
    ("bnot", |lua, args| Ok(number(!bits(lua, args, 0, "bnot")?))),
    ("bswap", |lua, args| Ok(number(bits(lua, args, 0, "bswap")?.swap_bytes()))),
    ("band", |lua, args| all(lua, args, "band", |a, b| a & b)),
    ("bor", |lua, args| all(lua, args, "bor", |a, b| a | b)),
    ("bxor", |lua, args| all(lua, args, "bxor", |a, b| a ^ b)),
    ("lshift", |lua, args| shifted(lua, args, "lshift", |a, n| a << n)),
    ("rshift", |lua, args| shifted(lua, args, "rshift", |a, n| a >> n)),
    ("arshift", |lua, args| shifted(lua, args, "arshift", |a, n| ((a as i32) >> n) as u32)),
    ("rol", |lua, args| shifted(lua, args, "rol", u32::rotate_left)),
    ("ror", |lua, args| shifted(lua, args, "ror", u32::rotate_right)),
];

/// `bit.tohex(x [, digits])`
pub(super) fn tohex(lua: &Lua, args: &MultiValue) -> Result<MultiValue, Fault> {
    const DIGITS: i32 = 8;
    let value = bits(lua, args, 0, "tohex")?;
    let digits = if args.len() > 1 { bits(lua, args, 1, "tohex")? as i32 } else { DIGITS };
    let text = format!("{value:08x}");
    let kept = digits.saturating_abs().min(DIGITS) as usize;
    let text = &text[DIGITS as usize - kept..];
    let text = if digits < 0 { text.to_ascii_uppercase() } else { text.to_owned() };
    Ok(one(Value::String(lua.create_string(text)?)))
}

/// The argument's lowest 32 bits.
fn bits(lua: &Lua, args: &MultiValue, at: usize, function: &str) -> Result<u32, Fault> {
    const RANGE: f64 = 4_294_967_296.0;
    let number = number_of(lua, args, at, function)?;
    Ok(if number.is_finite() { number.round_ties_even().rem_euclid(RANGE) as u32 } else { 0 })
}

fn number(bits: u32) -> MultiValue {
    one(Value::Integer(i64::from(bits as i32)))
}

fn all(
    lua: &Lua,
    args: &MultiValue,
    function: &str,
    merge: fn(u32, u32) -> u32,
) -> Result<MultiValue, Fault> {
    let mut result = bits(lua, args, 0, function)?;
    for at in 1..args.len() {
        result = merge(result, bits(lua, args, at, function)?);
    }
    Ok(number(result))
}

fn shifted(
    lua: &Lua,
    args: &MultiValue,
    function: &str,
    shift: fn(u32, u32) -> u32,
) -> Result<MultiValue, Fault> {
    let (value, by) = (bits(lua, args, 0, function)?, bits(lua, args, 1, function)?);
    Ok(number(shift(value, by & 31)))
}
