//! `cjson`: JSON for scripts, as the library of that name reads and writes it.

use mlua::{Lua, MultiValue, Table, Value};

use super::budget::Budget;
use super::value::{Fault, double, name_of, one, print, text_of};

/// Settings of one script: the next one finds the defaults.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    pub(super) encode_depth_max: usize,
    pub(super) decode_depth_max: usize,
    pub(super) digits: usize,
    pub(super) encodes_invalid_numbers: bool,
    pub(super) decodes_invalid_numbers: bool,
    /// A table with gaps becomes an object rather than an error.
    pub(super) sparse_as_object: bool,
    /// A table is sparse if its greatest index exceeds this many times its elements; 0: never.
    pub(super) sparse_ratio: usize,
    /// Greatest index that is never sparse.
    pub(super) sparse_safe: usize,
}

/// Deepest nesting, which is 1000 in Redis. A level is a call here, on the stack of a shard.
pub(super) const DEPTH_MAX: usize = 200;

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            encode_depth_max: DEPTH_MAX,
            decode_depth_max: DEPTH_MAX,
            digits: 14,
            encodes_invalid_numbers: false,
            decodes_invalid_numbers: true,
            sparse_as_object: false,
            sparse_ratio: 2,
            sparse_safe: 10,
        }
    }
}

/// `cjson.encode(value)`
pub(super) fn encode(
    lua: &Lua,
    args: &MultiValue,
    settings: &Settings,
    budget: &Budget,
) -> Result<MultiValue, Fault> {
    let [value] = args.iter().collect::<Vec<_>>()[..] else {
        return Err("bad argument #1 to 'encode' (expected 1 argument)".into());
    };
    let mut writer = Writer { settings, budget, out: Vec::new() };
    writer.value(value, 0)?;
    Ok(one(Value::String(lua.create_string(writer.out)?)))
}

struct Writer<'a> {
    settings: &'a Settings,
    budget: &'a Budget,
    out: Vec<u8>,
}

impl Writer<'_> {
    fn value(&mut self, value: &Value, depth: usize) -> Result<(), Fault> {
        self.budget.charge(1)?;
        match value {
            Value::Nil => self.out.extend_from_slice(b"null"),
            Value::LightUserData(pointer) if pointer.0.is_null() => self.out.extend_from_slice(b"null"),
            Value::Boolean(true) => self.out.extend_from_slice(b"true"),
            Value::Boolean(false) => self.out.extend_from_slice(b"false"),
            Value::String(text) => self.string(&text.as_bytes())?,
            Value::Table(table) => return self.table(table, depth + 1),
            other => match double(other) {
                Some(number) => self.number(number)?,
                None => return Err(unsupported(other, "type not supported")),
            },
        }
        Ok(())
    }

    fn number(&mut self, number: f64) -> Result<(), Fault> {
        if !number.is_finite() && !self.settings.encodes_invalid_numbers {
            return Err("Cannot serialise number: must not be NaN or Inf".into());
        }
        self.out.extend_from_slice(print(number, self.settings.digits).as_bytes());
        Ok(())
    }

    fn string(&mut self, text: &[u8]) -> Result<(), Fault> {
        self.budget.charge_bytes(text.len())?;
        self.out.push(b'"');
        for &byte in text {
            match byte {
                b'"' => self.out.extend_from_slice(b"\\\""),
                b'\\' => self.out.extend_from_slice(b"\\\\"),
                b'/' => self.out.extend_from_slice(b"\\/"),
                0x08 => self.out.extend_from_slice(b"\\b"),
                b'\t' => self.out.extend_from_slice(b"\\t"),
                b'\n' => self.out.extend_from_slice(b"\\n"),
                0x0c => self.out.extend_from_slice(b"\\f"),
                b'\r' => self.out.extend_from_slice(b"\\r"),
                0..=0x1f | 0x7f => self.out.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
                _ => self.out.push(byte),
            }
        }
        self.out.push(b'"');
        Ok(())
    }

    fn table(&mut self, table: &Table, depth: usize) -> Result<(), Fault> {
        if depth > self.settings.encode_depth_max {
            return Err(Fault::Text(format!("Cannot serialise, excessive nesting ({depth})")));
        }
        match self.array_length(table)? {
            Some(length) if length > 0 => self.array(table, length, depth),
            _ => self.object(table, depth),
        }
    }

    fn array(&mut self, table: &Table, length: usize, depth: usize) -> Result<(), Fault> {
        self.out.push(b'[');
        for at in 1..=length {
            if at > 1 {
                self.out.push(b',');
            }
            self.value(&table.raw_get(at)?, depth)?;
        }
        self.out.push(b']');
        Ok(())
    }

    fn object(&mut self, table: &Table, depth: usize) -> Result<(), Fault> {
        self.out.push(b'{');
        let mut is_first = true;
        for pair in table.pairs::<Value, Value>() {
            let (key, value) = pair?;
            if !std::mem::take(&mut is_first) {
                self.out.push(b',');
            }
            match (&key, double(&key)) {
                (Value::String(key), _) => self.string(&key.as_bytes())?,
                (_, Some(number)) => {
                    self.out.push(b'"');
                    self.number(number)?;
                    self.out.push(b'"');
                }
                _ => return Err(unsupported(&key, "table key must be a number or string")),
            }
            self.out.push(b':');
            self.value(&value, depth)?;
        }
        self.out.push(b'}');
        Ok(())
    }

    /// The length of a table whose keys are indexes; None for another one.
    fn array_length(&self, table: &Table) -> Result<Option<usize>, Fault> {
        let (mut greatest, mut count) = (0, 0_usize);
        for pair in table.pairs::<Value, Value>() {
            let (key, _) = pair?;
            self.budget.charge(1)?;
            let index = double(&key).filter(|n| *n >= 1.0 && *n == n.trunc() && *n < 9e15);
            let Some(index) = index else { return Ok(None) };
            greatest = greatest.max(index as usize);
            count += 1;
        }
        let settings = self.settings;
        let is_sparse = settings.sparse_ratio > 0
            && greatest > count.saturating_mul(settings.sparse_ratio)
            && greatest > settings.sparse_safe;
        if is_sparse && settings.sparse_as_object {
            return Ok(None);
        }
        // Without a ratio the nulls of the gaps would have no limit but the greatest index.
        if is_sparse || greatest.saturating_sub(count) > 1_000_000 {
            return Err("Cannot serialise table: excessively sparse array".into());
        }
        Ok(Some(greatest))
    }
}

fn unsupported(value: &Value, why: &str) -> Fault {
    let name = match value {
        Value::LightUserData(_) => "userdata",
        value => name_of(Some(value)),
    };
    Fault::Text(format!("Cannot serialise {name}: {why}"))
}

/// `cjson.decode(text)`
pub(super) fn decode(
    lua: &Lua,
    args: &MultiValue,
    settings: &Settings,
    budget: &Budget,
) -> Result<MultiValue, Fault> {
    if args.len() != 1 {
        return Err("bad argument #1 to 'decode' (expected 1 argument)".into());
    }
    let text = text_of(lua, args, 0, "decode")?;
    let text = text.as_bytes();
    let mut reader = Reader { lua, settings, budget, text: &text, at: 0 };
    let value = reader.value(0)?;
    reader.skip_space();
    match reader.text.get(reader.at) {
        None => Ok(one(value)),
        Some(_) => Err(reader.unexpected("the end")),
    }
}

struct Reader<'a> {
    lua: &'a Lua,
    settings: &'a Settings,
    budget: &'a Budget,
    text: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn value(&mut self, depth: usize) -> Result<Value, Fault> {
        self.budget.charge(1)?;
        self.skip_space();
        match self.text.get(self.at) {
            Some(b'{') => self.object(depth + 1),
            Some(b'[') => self.array(depth + 1),
            Some(b'"') => {
                let text = self.string()?;
                Ok(Value::String(self.lua.create_string(text)?))
            }
            Some(b'-' | b'+' | b'0'..=b'9') => self.number(),
            Some(_) if self.takes(b"true") => Ok(Value::Boolean(true)),
            Some(_) if self.takes(b"false") => Ok(Value::Boolean(false)),
            Some(_) if self.takes(b"null") => Ok(Value::NULL),
            Some(b'i' | b'I' | b'n' | b'N') => self.number(),
            _ => Err(self.unexpected("value")),
        }
    }

    fn object(&mut self, depth: usize) -> Result<Value, Fault> {
        self.check_depth(depth)?;
        let table = self.lua.create_table()?;
        self.at += 1;
        self.skip_space();
        if self.takes(b"}") {
            return Ok(Value::Table(table));
        }
        loop {
            self.skip_space();
            if self.text.get(self.at) != Some(&b'"') {
                return Err(self.unexpected("object key string"));
            }
            let key = self.string()?;
            let key = self.lua.create_string(key)?;
            self.skip_space();
            if !self.takes(b":") {
                return Err(self.unexpected("colon"));
            }
            table.raw_set(key, self.value(depth)?)?;
            self.skip_space();
            if self.takes(b"}") {
                return Ok(Value::Table(table));
            }
            if !self.takes(b",") {
                return Err(self.unexpected("comma or object end"));
            }
        }
    }

    fn array(&mut self, depth: usize) -> Result<Value, Fault> {
        self.check_depth(depth)?;
        let table = self.lua.create_table()?;
        self.at += 1;
        self.skip_space();
        if self.takes(b"]") {
            return Ok(Value::Table(table));
        }
        let mut count = 0;
        loop {
            count += 1;
            table.raw_set(count, self.value(depth)?)?;
            self.skip_space();
            if self.takes(b"]") {
                return Ok(Value::Table(table));
            }
            if !self.takes(b",") {
                return Err(self.unexpected("comma or array end"));
            }
        }
    }

    fn check_depth(&self, depth: usize) -> Result<(), Fault> {
        if depth <= self.settings.decode_depth_max {
            return Ok(());
        }
        let at = self.at + 1;
        Err(Fault::Text(format!("Found too many nested data structures ({depth}) at character {at}")))
    }

    fn string(&mut self) -> Result<Vec<u8>, Fault> {
        let mut out = Vec::new();
        self.at += 1;
        loop {
            let Some(&byte) = self.text.get(self.at) else {
                return Err(Self::unexpected_at("value", "unexpected end of string", self.at));
            };
            self.at += 1;
            match byte {
                b'"' => {
                    self.budget.charge_bytes(out.len())?;
                    return Ok(out);
                }
                b'\\' => self.escape(&mut out)?,
                0..=0x1f => {
                    self.at -= 1;
                    return Err(self.unexpected("value"));
                }
                byte => out.push(byte),
            }
        }
    }

    fn escape(&mut self, out: &mut Vec<u8>) -> Result<(), Fault> {
        let letter = self.text.get(self.at).copied();
        self.at += 1;
        out.push(match letter {
            Some(b'"') => b'"',
            Some(b'\\') => b'\\',
            Some(b'/') => b'/',
            Some(b'b') => 0x08,
            Some(b'f') => 0x0c,
            Some(b'n') => b'\n',
            Some(b'r') => b'\r',
            Some(b't') => b'\t',
            Some(b'u') => return self.unicode(out),
            _ => return Err(Self::unexpected_at("value", "invalid escape code", self.at.saturating_sub(2))),
        });
        Ok(())
    }

    fn unicode(&mut self, out: &mut Vec<u8>) -> Result<(), Fault> {
        let start = self.at - 2;
        let wrong = || Self::unexpected_at("value", "invalid unicode escape code", start);
        let first = self.hex().ok_or_else(wrong)?;
        let point = if (0xd800..0xdc00).contains(&first) {
            let second = if self.takes(b"\\u") { self.hex() } else { None };
            let second = second.filter(|low| (0xdc00..0xe000).contains(low)).ok_or_else(wrong)?;
            0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00)
        } else {
            first
        };
        let letter = char::from_u32(point).ok_or_else(wrong)?;
        out.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
        Ok(())
    }

    fn hex(&mut self) -> Option<u32> {
        let digits = self.text.get(self.at..self.at + 4)?;
        let digits = digits.iter().all(u8::is_ascii_hexdigit).then_some(digits)?;
        self.at += 4;
        u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
    }

    fn number(&mut self) -> Result<Value, Fault> {
        let rest = &self.text[self.at..];
        let length =
            rest.iter().take_while(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(byte)).count();
        let text = std::str::from_utf8(&rest[..length]).unwrap_or_default();
        self.budget.charge_bytes(length)?;
        let number = text.parse::<f64>().ok().or_else(|| hexadecimal(text));
        match number {
            Some(number) if number.is_finite() || self.settings.decodes_invalid_numbers => {
                self.at += length;
                Ok(Value::Number(number))
            }
            _ if text.starts_with(['i', 'I', 'n', 'N']) => Err(self.unexpected("value")),
            _ => Err(Self::unexpected_at("value", "invalid number", self.at)),
        }
    }

    fn takes(&mut self, word: &[u8]) -> bool {
        let is = self.text[self.at..].starts_with(word);
        if is {
            self.at += word.len();
        }
        is
    }

    fn skip_space(&mut self) {
        let rest = &self.text[self.at..];
        self.at += rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n')).count();
    }

    fn unexpected(&self, expected: &str) -> Fault {
        let found = match self.text.get(self.at) {
            None => "T_END",
            Some(b'{') => "T_OBJ_BEGIN",
            Some(b'}') => "T_OBJ_END",
            Some(b'[') => "T_ARR_BEGIN",
            Some(b']') => "T_ARR_END",
            Some(b'"') => "T_STRING",
            Some(b':') => "T_COLON",
            Some(b',') => "T_COMMA",
            Some(b'-' | b'0'..=b'9') => "T_NUMBER",
            Some(_) => "invalid token",
        };
        Self::unexpected_at(expected, found, self.at)
    }

    fn unexpected_at(expected: &str, found: &str, at: usize) -> Fault {
        Fault::Text(format!("Expected {expected} but found {found} at character {}", at + 1))
    }
}

/// `0x1f`, which C reads as a number.
fn hexadecimal(text: &str) -> Option<f64> {
    let (negative, digits) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let digits = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X"))?;
    let number = u64::from_str_radix(digits, 16).ok()? as f64;
    Some(if negative { -number } else { number })
}
