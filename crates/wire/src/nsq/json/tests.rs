use super::*;

#[derive(Debug, Default, PartialEq)]
struct Fields {
    text: String,
    flag: bool,
    wide: i64,
    narrow: i32,
}

fn decode(bytes: &[u8]) -> Result<Fields, Malformed> {
    let mut fields = Fields::default();
    members(bytes, |key, value| match () {
        () if key_is(key, "text") => set_string(&mut fields.text, value),
        () if key_is(key, "flags") => set_bool(&mut fields.flag, value),
        () if key_is(key, "wide_k") => set_integer(&mut fields.wide, value),
        () if key_is(key, "narrow") => set_integer(&mut fields.narrow, value),
        () => Ok(()),
    })?;
    Ok(fields)
}

fn text(bytes: &[u8]) -> String {
    decode(bytes).unwrap_or_else(|_| panic!("{}", bytes.escape_ascii())).text
}

#[test]
fn accepted() {
    let none = Fields::default();
    for bytes in [
        &b"null"[..],
        b" \t\r\n{ } ",
        b"{\"x\":[1,{\"a\":[]},\"\\\"]\"],\"y\":{}}",
        b"{\"a\":1e999,\"b\":-0.5E-7}",
    ] {
        assert_eq!(decode(bytes).as_ref(), Ok(&none), "{}", bytes.escape_ascii());
    }
    let got = decode(
        "{\"TEXT\":\"a\",\"flag\u{17f}\":true,\"WIDE_\u{212a}\":-9223372036854775808,\"narrow\":-0}"
            .as_bytes(),
    );
    assert_eq!(got, Ok(Fields { text: "a".into(), flag: true, wide: i64::MIN, narrow: 0 }));
    assert_eq!(decode(b"{\"narrow\":5,\"narrow\":9,\"narrow\":null}").unwrap().narrow, 9);
}

#[test]
fn strings() {
    assert_eq!(text(br#"{"text":"\"\\\/\b\f\n\r\t\u00e9"}"#), "\"\\/\u{8}\u{c}\n\r\té");
    assert_eq!(text(br#"{"text":"\ud83d\ude00"}"#), "\u{1f600}");
    assert_eq!(text(br#"{"text":"\ud83dx\ude00"}"#), "\u{fffd}x\u{fffd}");
    assert_eq!(text(br#"{"text":"\ud83d\u0041"}"#), "\u{fffd}A");
    assert_eq!(text(b"{\"text\":\"a\xff\xe2\x82b\"}"), "a\u{fffd}\u{fffd}\u{fffd}b");
    assert_eq!(text(br#"{"\u0074ext":"k"}"#), "k");
}

#[test]
fn malformed() {
    let list: [&[u8]; 38] = [
        b"",
        b" ",
        b"{",
        b"}",
        b"[]",
        b"1",
        b"true",
        b"\"x\"",
        b"nul",
        b"{\"a\":}",
        b"{\"a\"}",
        b"{\"a\" 1}",
        b"{a:1}",
        b"{'a':1}",
        b"{\"a\":1,}",
        b"{,}",
        b"{\"a\":1 \"b\":2}",
        b"{\"a\":1}{}",
        b"{\"a\":1} x",
        b"{\"a\":01}",
        b"{\"a\":1.}",
        b"{\"a\":.5}",
        b"{\"a\":+1}",
        b"{\"a\":1e}",
        b"{\"a\":-}",
        b"{\"a\":[1,]}",
        b"{\"a\":[1}",
        b"{\"a\":{\"b\":1]}",
        b"{\"a\":\"\n\"}",
        b"{\"a\":\"\\x\"}",
        b"{\"a\":\"\\u12g4\"}",
        b"{\"a\":\"\\u123",
        b"{\"a\":\"x}",
        b"{\"a\":tru}",
        b"\xef\xbb\xbf{}",
        b"{\"a\":NaN}",
        b"{\"a\":[[]",
        b"{\"a\":\"\\",
    ];
    for bytes in list {
        assert_eq!(decode(bytes), Err(Malformed), "{}", bytes.escape_ascii());
    }
}

#[test]
fn wrong_types() {
    let list: [&[u8]; 14] = [
        b"{\"text\":1}",
        b"{\"text\":[]}",
        b"{\"text\":true}",
        b"{\"flags\":1}",
        b"{\"flags\":\"true\"}",
        b"{\"wide_k\":1.0}",
        b"{\"wide_k\":1e3}",
        b"{\"wide_k\":\"1\"}",
        b"{\"wide_k\":9223372036854775808}",
        b"{\"wide_k\":{}}",
        b"{\"wide_k\":false}",
        b"{\"narrow\":2147483648}",
        b"{\"narrow\":-2147483649}",
        b"{\"narrow\":1,\"narrow\":\"x\"}",
    ];
    for bytes in list {
        assert_eq!(decode(bytes), Err(Malformed), "{}", bytes.escape_ascii());
    }
}

#[test]
fn depth_is_limited() {
    let nested = |depth: usize| format!("{{\"a\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
    assert!(decode(nested(9_998).as_bytes()).is_ok());
    assert_eq!(decode(nested(10_000).as_bytes()), Err(Malformed));
    assert_eq!(decode("[".repeat(1_000_000).as_bytes()), Err(Malformed));
}

#[test]
fn any_cut_is_malformed() {
    let whole = br#"{"a":[1,{"b":"\u00e9"},null,true],"text":"x","wide_k":-12}"#;
    assert!(decode(whole).is_ok());
    for end in 0..whole.len() {
        assert_eq!(decode(&whole[..end]), Err(Malformed), "{end}");
    }
}
