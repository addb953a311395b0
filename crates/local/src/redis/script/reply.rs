//! Replies between RESP and Lua.
//!
//! ```text
//! RESP        Lua                          Lua                RESP
//! :1          1                            1.9                :1
//! $1 a        "a"                          "a"                $1 a
//! +OK         { ok = "OK" }                { ok = "OK" }      +OK
//! -ERR x      { err = "ERR x" }            { err = "ERR x" }  -ERR x
//! *2 a b      { "a", "b" }                 { "a", nil, "b" }  *1 a
//! null        false, nil after setresp(3)  false, nil         null
//! ```

use mlua::{Lua, Table, Value};
use wire::redis::{Version, encode};

use crate::lua::value::double;

/// Deepest table that becomes a reply.
const DEPTH_MAX: usize = 200;

/// The value of Lua for one reply, which is well-formed, and how many bytes it has.
pub(super) fn to_lua(lua: &Lua, reply: &[u8]) -> mlua::Result<Value> {
    let mut reader = Reader { lua, rest: reply };
    reader.value()
}

struct Reader<'a> {
    lua: &'a Lua,
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn line(&mut self) -> &'a [u8] {
        let end = memchr::memchr(b'\r', self.rest).unwrap_or(self.rest.len());
        let line = &self.rest[..end];
        self.rest = self.rest.get(end + 2..).unwrap_or_default();
        line
    }

    fn bytes(&mut self, length: usize) -> &'a [u8] {
        let bytes = self.rest.get(..length).unwrap_or_default();
        self.rest = self.rest.get(length + 2..).unwrap_or_default();
        bytes
    }

    fn value(&mut self) -> mlua::Result<Value> {
        let line = self.line();
        let (kind, text) = line.split_first().unwrap_or((&b'_', b""));
        let number = || std::str::from_utf8(text).ok().and_then(|text| text.parse::<i64>().ok());
        match kind {
            b':' => Ok(Value::Integer(number().unwrap_or(0))),
            b'+' => self.field("ok", text),
            b'-' => self.field("err", text),
            b'$' => match number().and_then(|length| usize::try_from(length).ok()) {
                Some(length) => Ok(Value::String(self.lua.create_string(self.bytes(length))?)),
                None => Ok(Value::Boolean(false)),
            },
            b'*' => match number().and_then(|count| usize::try_from(count).ok()) {
                Some(count) => Ok(Value::Table(self.array(count)?)),
                None => Ok(Value::Boolean(false)),
            },
            b'%' => self.pairs(number().unwrap_or(0)),
            b'~' => self.members(number().unwrap_or(0)),
            b',' => {
                let double = std::str::from_utf8(text).ok().and_then(|text| text.parse::<f64>().ok());
                let table = self.lua.create_table()?;
                table.raw_set("double", double.unwrap_or(f64::NAN))?;
                Ok(Value::Table(table))
            }
            b'#' => Ok(Value::Boolean(text == b"t")),
            b'(' => self.field("big_number", text),
            b'=' => {
                let bytes = self.bytes(number().and_then(|n| usize::try_from(n).ok()).unwrap_or(0));
                let verbatim = self.lua.create_table()?;
                let (format, string) = bytes.split_at_checked(4).unwrap_or((b"txt:", bytes));
                verbatim.raw_set("format", self.lua.create_string(&format[..3])?)?;
                verbatim.raw_set("string", self.lua.create_string(string)?)?;
                let table = self.lua.create_table()?;
                table.raw_set("verbatim_string", verbatim)?;
                Ok(Value::Table(table))
            }
            _ => Ok(Value::Nil),
        }
    }

    fn field(&mut self, name: &str, text: &[u8]) -> mlua::Result<Value> {
        let table = self.lua.create_table_with_capacity(0, 1)?;
        table.raw_set(name, self.lua.create_string(text)?)?;
        Ok(Value::Table(table))
    }

    fn array(&mut self, count: usize) -> mlua::Result<Table> {
        // Each element has at least three bytes.
        let table = self.lua.create_table_with_capacity(count.min(self.rest.len() / 3), 0)?;
        for at in 1..=count {
            table.raw_set(at, self.value()?)?;
        }
        Ok(table)
    }

    fn pairs(&mut self, count: i64) -> mlua::Result<Value> {
        let map = self.lua.create_table()?;
        for _ in 0..count {
            let (key, value) = (self.value()?, self.value()?);
            map.raw_set(key, value)?;
        }
        let table = self.lua.create_table()?;
        table.raw_set("map", map)?;
        Ok(Value::Table(table))
    }

    fn members(&mut self, count: i64) -> mlua::Result<Value> {
        let set = self.lua.create_table()?;
        for _ in 0..count {
            set.raw_set(self.value()?, true)?;
        }
        let table = self.lua.create_table()?;
        table.raw_set("set", set)?;
        Ok(Value::Table(table))
    }
}

/// Versions of the protocol: the client's, and the one that the script has asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Versions {
    pub(super) client: Version,
    pub(super) script: Version,
}

/// Appends the reply for a script's value.
pub(super) fn from_lua(value: &Value, versions: Versions, out: &mut Vec<u8>) -> mlua::Result<()> {
    write(value, versions, 0, out)
}

fn write(value: &Value, versions: Versions, depth: usize, out: &mut Vec<u8>) -> mlua::Result<()> {
    if depth >= DEPTH_MAX {
        encode::error(out, b"ERR reached lua stack limit");
        return Ok(());
    }
    match value {
        Value::Integer(n) => encode::integer(out, *n),
        // As C converts it where it does not fit.
        Value::Number(n) => encode::integer(out, if n.abs() < 9.223e18 { *n as i64 } else { i64::MIN }),
        Value::String(text) => encode::bulk(out, &text.as_bytes()),
        Value::Boolean(truth) => match (versions.script, versions.client) {
            (Version::Resp2, _) if *truth => encode::integer(out, 1),
            (Version::Resp2, client) => encode::null(out, client),
            (Version::Resp3, Version::Resp3) => {
                out.extend_from_slice(if *truth { b"#t\r\n" } else { b"#f\r\n" });
            }
            (Version::Resp3, Version::Resp2) => encode::integer(out, i64::from(*truth)),
        },
        Value::Table(table) => return write_table(table, versions, depth, out),
        _ => encode::null(out, versions.client),
    }
    Ok(())
}

fn write_table(table: &Table, versions: Versions, depth: usize, out: &mut Vec<u8>) -> mlua::Result<()> {
    if let Value::String(error) = table.raw_get("err")? {
        encode::error(out, &coded(&error.as_bytes()));
    } else if let Value::String(status) = table.raw_get("ok")? {
        encode::simple(out, &in_one_line(&status.as_bytes()));
    } else if let Some(number) = double(&table.raw_get("double")?) {
        crate::redis::score::write(out, number, versions.client);
    } else if let Value::Table(map) = table.raw_get("map")? {
        write_pairs(&map, versions, depth, out)?;
    } else if let Value::Table(set) = table.raw_get("set")? {
        let members = set.pairs::<Value, Value>().collect::<mlua::Result<Vec<_>>>()?;
        encode::set(out, members.len(), versions.client);
        for (member, _) in &members {
            write(member, versions, depth + 1, out)?;
        }
    } else if let Value::String(number) = table.raw_get("big_number")? {
        let text = in_one_line(&number.as_bytes());
        match versions.client {
            Version::Resp2 => encode::bulk(out, &text),
            Version::Resp3 => out.extend_from_slice(&[b"(", text.as_slice(), b"\r\n"].concat()),
        }
    } else if let Value::Table(verbatim) = table.raw_get("verbatim_string")? {
        write_verbatim(&verbatim, versions, out)?;
    } else {
        write_array(table, versions, depth, out)?;
    }
    Ok(())
}

fn write_pairs(map: &Table, versions: Versions, depth: usize, out: &mut Vec<u8>) -> mlua::Result<()> {
    let pairs = map.pairs::<Value, Value>().collect::<mlua::Result<Vec<_>>>()?;
    encode::map(out, pairs.len(), versions.client);
    for (key, value) in &pairs {
        write(key, versions, depth + 1, out)?;
        write(value, versions, depth + 1, out)?;
    }
    Ok(())
}

fn write_verbatim(verbatim: &Table, versions: Versions, out: &mut Vec<u8>) -> mlua::Result<()> {
    let (Value::String(format), Value::String(text)) =
        (verbatim.raw_get("format")?, verbatim.raw_get("string")?)
    else {
        encode::null(out, versions.client);
        return Ok(());
    };
    match (versions.client, format.as_bytes()) {
        (Version::Resp3, format) if format.len() == 3 => {
            out.extend_from_slice(format!("={}\r\n", text.as_bytes().len() + 4).as_bytes());
            out.extend_from_slice(&[&format, b":".as_slice(), &text.as_bytes(), b"\r\n"].concat());
        }
        _ => encode::bulk(out, &text.as_bytes()),
    }
    Ok(())
}

fn write_array(table: &Table, versions: Versions, depth: usize, out: &mut Vec<u8>) -> mlua::Result<()> {
    let mut elements = Vec::new();
    let mut count = 0;
    loop {
        let value: Value = table.raw_get(count + 1)?;
        if value.is_nil() {
            break;
        }
        count += 1;
        write(&value, versions, depth + 1, &mut elements)?;
    }
    encode::array(out, count);
    out.extend_from_slice(&elements);
    Ok(())
}

/// An error with a code: `-` in front says that it has one, else it is `ERR`.
fn coded(error: &[u8]) -> Vec<u8> {
    let text = error.strip_prefix(b"-").unwrap_or(error);
    in_one_line(text)
}

fn in_one_line(text: &[u8]) -> Vec<u8> {
    text.iter().map(|byte| if matches!(byte, b'\r' | b'\n') { b' ' } else { *byte }).collect()
}
