//! `cmsgpack`: `MessagePack` for scripts, as the library of that name reads and writes it.
//!
//! A number without decimals is an integer, any other one a double; a table with the keys 1 to n is an array.

use mlua::{Lua, MultiValue, Table, Value};

use super::budget::Budget;
use super::value::{Fault, one, optional_number, text_of};

/// Deeper tables are packed as nil.
const PACK_DEPTH_MAX: usize = 16;
/// Deepest nesting that is unpacked.
const UNPACK_DEPTH_MAX: usize = 200;

/// `cmsgpack.pack(value …)`
pub(super) fn pack(lua: &Lua, args: &MultiValue, budget: &Budget) -> Result<MultiValue, Fault> {
    if args.is_empty() {
        return Err("bad argument #0 to 'pack' (MessagePack pack needs input.)".into());
    }
    let mut writer = Writer { budget, out: Vec::new() };
    for value in args {
        writer.value(value, 0)?;
    }
    Ok(one(Value::String(lua.create_string(writer.out)?)))
}

struct Writer<'a> {
    budget: &'a Budget,
    out: Vec<u8>,
}

impl Writer<'_> {
    fn value(&mut self, value: &Value, depth: usize) -> Result<(), Fault> {
        self.budget.charge(1)?;
        match value {
            Value::Boolean(truth) => self.out.push(if *truth { 0xc3 } else { 0xc2 }),
            Value::Integer(n) => self.integer(*n),
            Value::Number(n) => self.number(*n),
            Value::String(text) => {
                let text = text.as_bytes();
                self.budget.charge_bytes(text.len())?;
                self.head(text.len(), (0xa0, 31), [Some(0xd9), Some(0xda), Some(0xdb)]);
                self.out.extend_from_slice(&text);
            }
            Value::Table(table) if depth < PACK_DEPTH_MAX => return self.table(table, depth + 1),
            _ => self.out.push(0xc0),
        }
        Ok(())
    }

    fn number(&mut self, number: f64) {
        let whole = number as i64;
        if whole as f64 == number && number.abs() < 9.3e18 {
            return self.integer(whole);
        }
        let short = number as f32;
        if f64::from(short) == number {
            self.out.push(0xca);
            self.out.extend_from_slice(&short.to_be_bytes());
        } else {
            self.out.push(0xcb);
            self.out.extend_from_slice(&number.to_be_bytes());
        }
    }

    fn integer(&mut self, n: i64) {
        let out = &mut self.out;
        match n {
            0..=127 => out.push(n as u8),
            -32..=-1 => out.push(n as i8 as u8),
            128..=0xff => out.extend_from_slice(&[0xcc, n as u8]),
            0x100..=0xffff => {
                out.push(0xcd);
                out.extend_from_slice(&(n as u16).to_be_bytes());
            }
            0x1_0000..=0xffff_ffff => {
                out.push(0xce);
                out.extend_from_slice(&(n as u32).to_be_bytes());
            }
            0x1_0000_0000.. => {
                out.push(0xcf);
                out.extend_from_slice(&n.to_be_bytes());
            }
            -0x80..=-33 => out.extend_from_slice(&[0xd0, n as i8 as u8]),
            -0x8000..=-0x81 => {
                out.push(0xd1);
                out.extend_from_slice(&(n as i16).to_be_bytes());
            }
            -0x8000_0000..=-0x8001 => {
                out.push(0xd2);
                out.extend_from_slice(&(n as i32).to_be_bytes());
            }
            _ => {
                out.push(0xd3);
                out.extend_from_slice(&n.to_be_bytes());
            }
        }
    }

    /// The head of what has a length: in one byte up to `(first, most)`, else with 8, 16 or 32 bits behind.
    fn head(&mut self, length: usize, (first, most): (u8, usize), wide: [Option<u8>; 3]) {
        match (length, wide) {
            (length, _) if length <= most => self.out.push(first | length as u8),
            (0..=0xff, [Some(byte), ..]) => self.out.extend_from_slice(&[byte, length as u8]),
            (0..=0xffff, [_, Some(byte), _]) => {
                self.out.push(byte);
                self.out.extend_from_slice(&(length as u16).to_be_bytes());
            }
            (_, [.., last]) => {
                self.out.push(last.unwrap_or_default());
                self.out.extend_from_slice(&(length as u32).to_be_bytes());
            }
        }
    }

    fn table(&mut self, table: &Table, depth: usize) -> Result<(), Fault> {
        let pairs = table.pairs::<Value, Value>().collect::<mlua::Result<Vec<_>>>()?;
        self.budget.charge(pairs.len() as u64)?;
        let index = |key: &Value| match key {
            Value::Integer(n) => usize::try_from(*n).ok().filter(|n| (1..=pairs.len()).contains(n)),
            _ => None,
        };
        // As many keys as the greatest one, and all of them whole: 1 to n.
        if pairs.iter().all(|(key, _)| index(key).is_some()) {
            self.head(pairs.len(), (0x90, 15), [None, Some(0xdc), Some(0xdd)]);
            for at in 1..=pairs.len() {
                self.value(&table.raw_get(at)?, depth)?;
            }
            return Ok(());
        }
        self.head(pairs.len(), (0x80, 15), [None, Some(0xde), Some(0xdf)]);
        for (key, value) in &pairs {
            self.value(key, depth)?;
            self.value(value, depth)?;
        }
        Ok(())
    }
}

/// Amount that an `unpack` function takes.
#[derive(Debug, Clone, Copy)]
pub(super) enum Amount {
    /// `unpack(text)`
    All,
    /// `unpack_one(text [, offset])`
    One,
    /// `unpack_limit(text, limit [, offset])`
    Limit,
}

/// `cmsgpack.unpack(text)` and its kin.
pub(super) fn unpack(
    lua: &Lua,
    args: &MultiValue,
    amount: Amount,
    budget: &Budget,
) -> Result<MultiValue, Fault> {
    let name = match amount {
        Amount::All => "unpack",
        Amount::One => "unpack_one",
        Amount::Limit => "unpack_limit",
    };
    let text = text_of(lua, args, 0, name)?;
    let text = text.as_bytes();
    let number = |at| Ok::<f64, Fault>(optional_number(lua, args, at, name)?.unwrap_or(0.0));
    let (limit, offset) = match amount {
        Amount::All => (0.0, 0.0),
        Amount::One => (1.0, number(1)?),
        Amount::Limit => (number(1)?, number(2)?),
    };
    if limit < 0.0 || offset < 0.0 {
        return Err(Fault::Text(format!(
            "Invalid request to unpack with offset of {offset} and limit of {}.",
            text.len()
        )));
    }
    if offset as usize > text.len() {
        return Err(Fault::Text(format!("Start offset {offset} greater than input length {}.", text.len())));
    }
    let most = if limit == 0.0 { VALUES_MAX } else { (limit as usize).min(VALUES_MAX) };
    let mut reader = Reader { lua, budget, text: &text, at: offset as usize };
    let mut values = Vec::new();
    while reader.at < text.len() && values.len() < most {
        values.push(reader.value(0)?);
    }
    let is_all = matches!(amount, Amount::All);
    if is_all && reader.at < text.len() {
        return Err("too many values to unpack".into());
    }
    if !is_all {
        let end = if reader.at < text.len() { reader.at as i64 } else { -1 };
        values.insert(0, Value::Integer(end));
    }
    Ok(MultiValue::from(values))
}

/// Most values of one call: the stack of Lua has a limit.
const VALUES_MAX: usize = 7_000;

struct Reader<'a> {
    lua: &'a Lua,
    budget: &'a Budget,
    text: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn take(&mut self, length: usize) -> Result<&[u8], Fault> {
        let taken = self.text.get(self.at..).and_then(|rest| rest.get(..length));
        let taken = taken.ok_or("Missing bytes in input.")?;
        self.at += length;
        Ok(taken)
    }

    fn bytes<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        let mut bytes = [0; N];
        bytes.copy_from_slice(self.take(N)?);
        Ok(bytes)
    }

    fn length(&mut self, bytes: u8) -> Result<usize, Fault> {
        Ok(match bytes {
            1 => usize::from(self.bytes::<1>()?[0]),
            2 => usize::from(u16::from_be_bytes(self.bytes()?)),
            _ => u32::from_be_bytes(self.bytes()?) as usize,
        })
    }

    fn value(&mut self, depth: usize) -> Result<Value, Fault> {
        self.budget.charge(1)?;
        let kind = self.bytes::<1>()?[0];
        let number = |n: f64| Value::Number(n);
        Ok(match kind {
            0..=0x7f => Value::Integer(i64::from(kind)),
            0xe0..=0xff => Value::Integer(i64::from(kind as i8)),
            0x80..=0x8f => self.map(usize::from(kind & 0xf), depth)?,
            0x90..=0x9f => self.array(usize::from(kind & 0xf), depth)?,
            0xa0..=0xbf => self.string(usize::from(kind & 0x1f))?,
            0xc0 => Value::Nil,
            0xc2 => Value::Boolean(false),
            0xc3 => Value::Boolean(true),
            0xca => number(f64::from(f32::from_be_bytes(self.bytes()?))),
            0xcb => number(f64::from_be_bytes(self.bytes()?)),
            0xcc => Value::Integer(i64::from(self.bytes::<1>()?[0])),
            0xcd => Value::Integer(i64::from(u16::from_be_bytes(self.bytes()?))),
            0xce => Value::Integer(i64::from(u32::from_be_bytes(self.bytes()?))),
            0xcf => number(u64::from_be_bytes(self.bytes()?) as f64),
            0xd0 => Value::Integer(i64::from(self.bytes::<1>()?[0] as i8)),
            0xd1 => Value::Integer(i64::from(i16::from_be_bytes(self.bytes()?))),
            0xd2 => Value::Integer(i64::from(i32::from_be_bytes(self.bytes()?))),
            0xd3 => number(i64::from_be_bytes(self.bytes()?) as f64),
            0xc4 | 0xd9 => self.string_of(1)?,
            0xc5 | 0xda => self.string_of(2)?,
            0xc6 | 0xdb => self.string_of(4)?,
            0xdc | 0xdd => {
                let length = self.length(if kind == 0xdc { 2 } else { 4 })?;
                self.array(length, depth)?
            }
            0xde | 0xdf => {
                let length = self.length(if kind == 0xde { 2 } else { 4 })?;
                self.map(length, depth)?
            }
            _ => return Err("Bad data format in input.".into()),
        })
    }

    fn string_of(&mut self, bytes: u8) -> Result<Value, Fault> {
        let length = self.length(bytes)?;
        self.string(length)
    }

    fn string(&mut self, length: usize) -> Result<Value, Fault> {
        self.budget.charge_bytes(length)?;
        let lua = self.lua;
        Ok(Value::String(lua.create_string(self.take(length)?)?))
    }

    fn deeper(depth: usize) -> Result<usize, Fault> {
        if depth >= UNPACK_DEPTH_MAX { Err("Bad data format in input.".into()) } else { Ok(depth + 1) }
    }

    fn array(&mut self, length: usize, depth: usize) -> Result<Value, Fault> {
        let depth = Self::deeper(depth)?;
        // Each element has a byte at least, so that a length alone allocates nothing.
        let table = self.lua.create_table_with_capacity(length.min(self.text.len() - self.at), 0)?;
        for at in 1..=length {
            table.raw_set(at, self.value(depth)?)?;
        }
        Ok(Value::Table(table))
    }

    fn map(&mut self, length: usize, depth: usize) -> Result<Value, Fault> {
        let depth = Self::deeper(depth)?;
        let table = self.lua.create_table()?;
        for _ in 0..length {
            let (key, value) = (self.value(depth)?, self.value(depth)?);
            if key.is_nil() || matches!(key, Value::Number(n) if n.is_nan()) {
                return Err("Bad data format in input.".into());
            }
            table.raw_set(key, value)?;
        }
        Ok(Value::Table(table))
    }
}
