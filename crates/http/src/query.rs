//! Query strings by Go's rules, which differ from a browser's: a semicolon or a bad escape anywhere is an
//! error.

use wire::percent;

/// Parameters in order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Query(Vec<(Vec<u8>, Vec<u8>)>);

/// The query string is malformed.
#[derive(Debug, PartialEq, Eq)]
pub struct Malformed;

impl Query {
    /// Parses the text after the question mark.
    pub fn parse(text: &str) -> Result<Query, Malformed> {
        let mut list = Vec::new();
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            if pair.contains(';') {
                return Err(Malformed);
            }
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            list.push((unescape(key, true)?, unescape(value, true)?));
        }
        Ok(Query(list))
    }

    /// The first value of a parameter.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.0.iter().find(|(key, _)| key == name.as_bytes()).map(|(_, value)| &value[..])
    }

    /// The value as text; invalid UTF-8 becomes a text that names nothing.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name).map(|value| std::str::from_utf8(value).unwrap_or("\u{fffd}"))
    }

    /// A switch: `true`, `1`, `false`, `0`; `None` if it is absent or something else.
    pub fn switch(&self, name: &str) -> Option<bool> {
        match self.get(name)? {
            b"true" | b"1" => Some(true),
            b"false" | b"0" => Some(false),
            _ => None,
        }
    }
}

/// Decodes `%XX`, and `+` as a space if `plus` is set.
pub fn unescape(text: &str, plus: bool) -> Result<Vec<u8>, Malformed> {
    let digit = |byte: Option<u8>| byte.and_then(|b| char::from(b).to_digit(16)).ok_or(Malformed);
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'%' => (digit(bytes.next())? << 4 | digit(bytes.next())?) as u8,
            b'+' if plus => b' ',
            byte => byte,
        });
    }
    Ok(out)
}

/// A value escaped for a query string: a space becomes `+`.
pub fn escape_query(text: &str) -> String {
    percent::encode_query(text.as_bytes())
}

/// A path escaped for a URL: letters, digits and separators stay.
pub fn escape_path(path: &str) -> String {
    percent::encode(path.as_bytes(), b"/-_.~$&+,:=@")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters() {
        let query = Query::parse("topic=a%2Eb&topic=two&&x&y=1+2%2B&%74=v&bad=%ff").unwrap();
        assert_eq!(query.text("topic"), Some("a.b"));
        assert_eq!(query.text("x"), Some(""));
        assert_eq!(query.text("y"), Some("1 2+"));
        assert_eq!(query.text("t"), Some("v"));
        assert_eq!(query.text("bad"), Some("\u{fffd}"));
        assert_eq!(query.text("TOPIC"), None);
        for bad in ["topic=%zz", "a=%", "a=%4", "a=1;b=2", "%=x", "a=%é"] {
            assert_eq!(Query::parse(bad), Err(Malformed), "{bad}");
        }
    }

    #[test]
    fn switches() {
        let query = Query::parse("a=true&b=1&c=false&d=0&e=TRUE&f=").unwrap();
        let list = ["a", "b", "c", "d", "e", "f", "g"].map(|name| query.switch(name));
        assert_eq!(list, [Some(true), Some(true), Some(false), Some(false), None, None, None]);
    }

    #[test]
    fn paths() {
        assert_eq!(escape_path("/config/a b\"<\r\né"), "/config/a%20b%22%3C%0D%0A%C3%A9");
    }
}
