//! `struct`: values in the layouts of C, as the library of that name packs them.
//!
//! ```text
//! < > =       byte order: little, big, that of the machine        !n  align to at most n
//! x           a byte of padding                                   c0 cn  a string of that length
//! b B h H l L integers of 1, 2 and 8 bytes                        in In  integers of n bytes, 4 without one
//! T           a size, of 8 bytes                                  f d    numbers of 4 and 8 bytes
//! s           a string with a zero behind it                      space  nothing
//! ```

use mlua::{Lua, MultiValue, Value};

use super::budget::Budget;
use super::value::{Fault, bad_argument, double, number_of, one, optional_number, text_of};

/// Widest integer; what does not fit into eight bytes is zero.
const INTEGER_BYTES_MAX: usize = 32;
/// Greatest number that a format may name.
const NUMBER_MAX: usize = 16 << 20;

/// One letter of a format, as it applies.
struct Item {
    letter: u8,
    size: usize,
    /// Bytes of padding in front.
    padding: usize,
    is_little: bool,
}

/// A format that is read letter by letter.
struct Format<'a> {
    rest: &'a [u8],
    is_little: bool,
    align: usize,
    /// For errors.
    function: &'static str,
}

impl<'a> Format<'a> {
    fn new(text: &'a [u8], function: &'static str) -> Format<'a> {
        Format { rest: text, is_little: cfg!(target_endian = "little"), align: 1, function }
    }

    /// The next item, for what begins at `at` bytes.
    fn next(&mut self, at: usize) -> Result<Option<Item>, Fault> {
        while let Some((&letter, rest)) = self.rest.split_first() {
            self.rest = rest;
            let size = match letter {
                b' ' => continue,
                b'<' => {
                    self.is_little = true;
                    continue;
                }
                b'>' => {
                    self.is_little = false;
                    continue;
                }
                b'=' => {
                    self.is_little = cfg!(target_endian = "little");
                    continue;
                }
                b'!' => {
                    self.align = self.number()?.unwrap_or(8);
                    if !self.align.is_power_of_two() {
                        return Err("alignment is not a power of 2".into());
                    }
                    continue;
                }
                b'x' | b'b' | b'B' => 1,
                b'h' | b'H' => 2,
                b'l' | b'L' | b'T' | b'd' => 8,
                b'f' => 4,
                b's' => 0,
                b'c' => self.number()?.unwrap_or(1),
                b'i' | b'I' => {
                    let size = self.number()?.unwrap_or(4);
                    if !(1..=INTEGER_BYTES_MAX).contains(&size) {
                        return Err(Fault::Text(format!(
                            "integral size {size} is larger than limit of {INTEGER_BYTES_MAX}"
                        )));
                    }
                    size
                }
                other => {
                    let what = format!("invalid format option '{}'", char::from(other));
                    return Err(bad_argument(1, self.function, &what));
                }
            };
            let align = size.min(self.align);
            let padding = if align <= 1 || matches!(letter, b'c' | b's' | b'x') {
                0
            } else {
                (align - (at & (align - 1))) & (align - 1)
            };
            return Ok(Some(Item { letter, size, padding, is_little: self.is_little }));
        }
        Ok(None)
    }

    fn number(&mut self) -> Result<Option<usize>, Fault> {
        let mut number: Option<usize> = None;
        while let Some((digit, rest)) = self.rest.split_first().filter(|(digit, _)| digit.is_ascii_digit()) {
            let value = number.unwrap_or(0) * 10 + usize::from(digit - b'0');
            if value > NUMBER_MAX {
                return Err("integral size overflow".into());
            }
            number = Some(value);
            self.rest = rest;
        }
        Ok(number)
    }
}

/// `struct.pack(format, value …)`
pub(super) fn pack(lua: &Lua, args: &MultiValue, budget: &Budget) -> Result<MultiValue, Fault> {
    let format = text_of(lua, args, 0, "pack")?;
    let format = format.as_bytes();
    let mut format = Format::new(&format, "pack");
    let (mut out, mut next) = (Vec::new(), 1);
    let number = |at| match args.get(at) {
        None => Err(bad_argument(at + 1, "pack", "number expected, got nil")),
        Some(_) => number_of(lua, args, at, "pack"),
    };
    while let Some(item) = format.next(out.len())? {
        out.resize(out.len() + item.padding, 0);
        budget.charge_bytes(item.size)?;
        match item.letter {
            b'x' => out.push(0),
            b's' | b'c' => {
                let text = text_of(lua, args, next, "pack")?;
                let text = text.as_bytes();
                let length = if item.size == 0 { text.len() } else { item.size };
                let Some(taken) = text.get(..length) else {
                    return Err(bad_argument(next + 2, "pack", "string too short"));
                };
                budget.charge_bytes(length)?;
                out.extend_from_slice(taken);
                if item.letter == b's' {
                    out.push(0);
                }
                next += 1;
            }
            b'f' => {
                let bytes = (number(next)? as f32).to_le_bytes();
                write(&mut out, &bytes, item.is_little);
                next += 1;
            }
            b'd' => {
                write(&mut out, &number(next)?.to_le_bytes(), item.is_little);
                next += 1;
            }
            _ => {
                let number = number(next)?;
                let whole = if number < 0.0 { number as i64 as u64 } else { number as u64 };
                let mut bytes = [0; INTEGER_BYTES_MAX];
                bytes[..8].copy_from_slice(&whole.to_le_bytes());
                write(&mut out, &bytes[..item.size], item.is_little);
                next += 1;
            }
        }
        if out.len() > NUMBER_MAX {
            return Err("not enough memory".into());
        }
    }
    Ok(one(Value::String(lua.create_string(out)?)))
}

fn write(out: &mut Vec<u8>, little: &[u8], is_little: bool) {
    if is_little {
        out.extend_from_slice(little);
    } else {
        out.extend(little.iter().rev());
    }
}

/// `struct.unpack(format, text [, position])`: the values, and the position behind them.
pub(super) fn unpack(lua: &Lua, args: &MultiValue, budget: &Budget) -> Result<MultiValue, Fault> {
    let format = text_of(lua, args, 0, "unpack")?;
    let format = format.as_bytes();
    let text = text_of(lua, args, 1, "unpack")?;
    let text = text.as_bytes();
    let position = optional_number(lua, args, 2, "unpack")?.unwrap_or(1.0);
    if position < 1.0 {
        return Err("offset must be 1 or greater".into());
    }
    let mut at = position as usize - 1;
    let mut format = Format::new(&format, "unpack");
    let mut values: Vec<Value> = Vec::new();
    let too_short = || bad_argument(2, "unpack", "data string too short");
    while let Some(item) = format.next(at)? {
        budget.charge_bytes(item.size)?;
        at = at.saturating_add(item.padding);
        let rest = text.get(at..).ok_or_else(too_short)?;
        let mut size = item.size;
        match item.letter {
            b'x' => _ = rest.first().ok_or_else(too_short)?,
            b's' => {
                budget.charge_bytes(rest.len())?;
                let end = memchr::memchr(0, rest).ok_or("unfinished string in data")?;
                values.push(Value::String(lua.create_string(&rest[..end])?));
                size = end + 1;
            }
            b'c' => {
                if size == 0 {
                    // Its length is the value before it.
                    let length = values.pop().as_ref().and_then(double);
                    let length = length.filter(|length| *length >= 0.0);
                    size = length.ok_or("format 'c0' needs a previous size")? as usize;
                }
                let taken = rest.get(..size).ok_or_else(too_short)?;
                values.push(Value::String(lua.create_string(taken)?));
            }
            letter => {
                let taken = rest.get(..size).ok_or_else(too_short)?;
                values.push(read(letter, taken, item.is_little));
            }
        }
        at += size;
        if values.len() >= VALUES_MAX {
            return Err("too many results to unpack".into());
        }
    }
    values.push(Value::Integer(at as i64 + 1));
    Ok(MultiValue::from(values))
}

/// Most values of one call: the stack of Lua has a limit.
const VALUES_MAX: usize = 7_000;

fn read(letter: u8, bytes: &[u8], is_little: bool) -> Value {
    let mut wide = [0; INTEGER_BYTES_MAX];
    let place = &mut wide[..bytes.len()];
    place.copy_from_slice(bytes);
    if !is_little {
        place.reverse();
    }
    let mut little = [0; 8];
    little.copy_from_slice(&wide[..8]);
    match letter {
        b'f' => Value::Number(f64::from(f32::from_le_bytes([little[0], little[1], little[2], little[3]]))),
        b'd' => Value::Number(f64::from_le_bytes(little)),
        letter if letter.is_ascii_uppercase() => Value::Number(u64::from_le_bytes(little) as f64),
        _ => {
            let unused = 64 - 8 * bytes.len().min(8) as u32;
            Value::Number(((i64::from_le_bytes(little) << unused) >> unused) as f64)
        }
    }
}

/// `struct.size(format)`
pub(super) fn size(lua: &Lua, args: &MultiValue, budget: &Budget) -> Result<MultiValue, Fault> {
    let format = text_of(lua, args, 0, "size")?;
    let format = format.as_bytes();
    budget.charge_bytes(format.len())?;
    let (mut format, mut at) = (Format::new(&format, "size"), 0_usize);
    while let Some(item) = format.next(at)? {
        if item.letter == b's' {
            return Err(bad_argument(1, "size", "option 's' has no fixed size"));
        }
        if item.letter == b'c' && item.size == 0 {
            return Err(bad_argument(1, "size", "option 'c0' has no fixed size"));
        }
        at = at.saturating_add(item.padding + item.size);
    }
    Ok(one(Value::Integer(at as i64)))
}
