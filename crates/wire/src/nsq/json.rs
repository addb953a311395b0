//! JSON objects as Go's decoder reads them into a struct.
//!
//! Keys match in any case; unknown keys are skipped if their value is well-formed; the last of repeated keys
//! counts; `null` leaves a field unchanged; invalid UTF-8 and lone surrogates become U+FFFD; an integer has
//! neither point nor exponent. Nesting is limited to 10,000, and no tree is built.

/// A value in an object. Strings and numbers are raw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Value<'a> {
    Null,
    Bool(bool),
    Number(&'a [u8]),
    String(&'a [u8]),
    Compound,
}

/// The text is not JSON, not an object, or a value is of the wrong type.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Malformed;

const DEPTH_MAX: usize = 10_000;

/// Calls `member` for every member of the object in `bytes`, in order. `null` is an object without members.
pub(super) fn members(
    bytes: &[u8],
    mut member: impl FnMut(&str, Value<'_>) -> Result<(), Malformed>,
) -> Result<(), Malformed> {
    let mut reader = Reader { bytes, at: 0 };
    reader.skip_space();
    if reader.peek() == Some(b'{') {
        reader.at += 1;
        let mut first = true;
        while reader.next_item(b'}', &mut first)? {
            let key = decode_string(reader.key()?);
            member(&key, reader.value()?)?;
        }
    } else if reader.value()? != Value::Null {
        return Err(Malformed);
    }
    reader.skip_space();
    if reader.at == bytes.len() { Ok(()) } else { Err(Malformed) }
}

/// True if Go matches `key` with the field `name` (lowercase ASCII).
pub(super) fn key_is(key: &str, name: &str) -> bool {
    key.chars().map(fold).eq(name.chars())
}

fn fold(c: char) -> char {
    match c {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        _ => c.to_ascii_lowercase(),
    }
}

/// Sets a string field.
pub(super) fn set_string(field: &mut String, value: Value<'_>) -> Result<(), Malformed> {
    match value {
        Value::Null => {}
        Value::String(raw) => *field = decode_string(raw),
        _ => return Err(Malformed),
    }
    Ok(())
}

/// Sets a boolean field.
pub(super) fn set_bool(field: &mut bool, value: Value<'_>) -> Result<(), Malformed> {
    match value {
        Value::Null => {}
        Value::Bool(value) => *field = value,
        _ => return Err(Malformed),
    }
    Ok(())
}

/// Sets an integer field, if the value fits.
pub(super) fn set_integer<T: TryFrom<i64>>(field: &mut T, value: Value<'_>) -> Result<(), Malformed> {
    match value {
        Value::Null => {}
        Value::Number(raw) => {
            let number: i64 = str::from_utf8(raw).ok().and_then(|raw| raw.parse().ok()).ok_or(Malformed)?;
            *field = T::try_from(number).map_err(|_| Malformed)?;
        }
        _ => return Err(Malformed),
    }
    Ok(())
}

/// The text of a string whose escapes were already validated.
fn decode_string(raw: &[u8]) -> String {
    let mut text = String::new();
    let mut rest = raw;
    while let Some(at) = memchr::memchr(b'\\', rest) {
        push_lossy(&mut text, &rest[..at]);
        rest = push_escape(&mut text, &rest[at..]);
    }
    push_lossy(&mut text, rest);
    text
}

/// Appends `bytes` with one U+FFFD for each byte that is not part of a character.
fn push_lossy(text: &mut String, bytes: &[u8]) {
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
    }
}

fn push_escape<'a>(text: &mut String, escape: &'a [u8]) -> &'a [u8] {
    if let Some(unit) = unicode_escape(escape) {
        if let Some(low) = unicode_escape(&escape[6..])
            && let Some(Ok(c)) = char::decode_utf16([unit, low]).next()
            && c.len_utf16() == 2
        {
            text.push(c);
            return &escape[12..];
        }
        text.push(char::from_u32(u32::from(unit)).unwrap_or(char::REPLACEMENT_CHARACTER));
        return &escape[6..];
    }
    text.push(match escape.get(1) {
        Some(b'b') => '\x08',
        Some(b'f') => '\x0c',
        Some(b'n') => '\n',
        Some(b'r') => '\r',
        Some(b't') => '\t',
        Some(other) => char::from(*other),
        None => char::REPLACEMENT_CHARACTER,
    });
    escape.get(2..).unwrap_or_default()
}

/// The code unit of an escape such as `\u00e9` at the start of `bytes`.
fn unicode_escape(bytes: &[u8]) -> Option<u16> {
    let digits = bytes.strip_prefix(b"\\u")?.get(..4)?;
    if !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    u16::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    /// Advances to the next item of an object or array; false at its end.
    fn next_item(&mut self, close: u8, first: &mut bool) -> Result<bool, Malformed> {
        self.skip_space();
        let was_first = std::mem::take(first);
        match self.peek() {
            Some(byte) if byte == close => {
                self.at += 1;
                Ok(false)
            }
            Some(_) if was_first => Ok(true),
            Some(b',') => {
                self.at += 1;
                self.skip_space();
                if self.peek() == Some(close) { Err(Malformed) } else { Ok(true) }
            }
            _ => Err(Malformed),
        }
    }

    /// A key, raw, and the colon.
    fn key(&mut self) -> Result<&'a [u8], Malformed> {
        let key = self.string()?;
        self.skip_space();
        if self.peek() != Some(b':') {
            return Err(Malformed);
        }
        self.at += 1;
        Ok(key)
    }

    /// Any value; arrays and objects are skipped.
    fn value(&mut self) -> Result<Value<'a>, Malformed> {
        self.skip_space();
        match self.peek().ok_or(Malformed)? {
            b'{' | b'[' => self.skip_compound(),
            b'"' => Ok(Value::String(self.string()?)),
            b't' => self.literal(b"true", Value::Bool(true)),
            b'f' => self.literal(b"false", Value::Bool(false)),
            b'n' => self.literal(b"null", Value::Null),
            _ => self.number(),
        }
    }

    fn literal(&mut self, word: &[u8], value: Value<'a>) -> Result<Value<'a>, Malformed> {
        if !self.bytes[self.at..].starts_with(word) {
            return Err(Malformed);
        }
        self.at += word.len();
        Ok(value)
    }

    /// Skips an array or object without recursion.
    fn skip_compound(&mut self) -> Result<Value<'a>, Malformed> {
        // the closing byte of each open one
        let mut open = Vec::new();
        loop {
            let mut first = false;
            match self.peek() {
                Some(bracket @ (b'{' | b'[')) => {
                    // the outermost object counts, too
                    if open.len() + 1 >= DEPTH_MAX {
                        return Err(Malformed);
                    }
                    self.at += 1;
                    open.push(if bracket == b'{' { b'}' } else { b']' });
                    first = true;
                }
                _ => drop(self.value()?),
            }
            if !self.next_value(&mut open, first)? {
                return Ok(Value::Compound);
            }
        }
    }

    /// Advances to the next value inside the open ones, closing those that end; false once none is open.
    fn next_value(&mut self, open: &mut Vec<u8>, mut first: bool) -> Result<bool, Malformed> {
        while let Some(close) = open.last().copied() {
            if self.next_item(close, &mut first)? {
                if close == b'}' {
                    self.key()?;
                    self.skip_space();
                }
                return Ok(true);
            }
            open.pop();
        }
        Ok(false)
    }

    fn string(&mut self) -> Result<&'a [u8], Malformed> {
        if self.peek() != Some(b'"') {
            return Err(Malformed);
        }
        let start = self.at + 1;
        let mut at = start;
        loop {
            match self.bytes.get(at).ok_or(Malformed)? {
                b'"' => break,
                b'\\' => at += self.escape_length(at)?,
                0..=0x1f => return Err(Malformed),
                _ => at += 1,
            }
        }
        self.at = at + 1;
        Ok(&self.bytes[start..at])
    }

    fn escape_length(&self, at: usize) -> Result<usize, Malformed> {
        match self.bytes.get(at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(2),
            Some(b'u') if unicode_escape(&self.bytes[at..]).is_some() => Ok(6),
            _ => Err(Malformed),
        }
    }

    fn number(&mut self) -> Result<Value<'a>, Malformed> {
        let start = self.at;
        self.skip_if(b"-");
        match self.peek() {
            Some(b'0') => self.at += 1,
            _ => self.digits()?,
        }
        if self.skip_if(b".") {
            self.digits()?;
        }
        if self.skip_if(b"eE") {
            self.skip_if(b"+-");
            self.digits()?;
        }
        Ok(Value::Number(&self.bytes[start..self.at]))
    }

    fn skip_if(&mut self, any: &[u8]) -> bool {
        let there = self.peek().is_some_and(|byte| any.contains(&byte));
        self.at += usize::from(there);
        there
    }

    fn digits(&mut self) -> Result<(), Malformed> {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        if self.at > start { Ok(()) } else { Err(Malformed) }
    }
}

#[cfg(test)]
mod tests;
