use super::*;

fn settle(body: &str, terms: &Terms) -> Result<Settlement, String> {
    let text = |refusal: Refusal<'_>| {
        let mut out = Vec::new();
        refusal.write(&mut out);
        String::from_utf8(out).unwrap()
    };
    let identify = Identify::parse(body.as_bytes()).map_err(text)?;
    identify.settle(terms, &terms.settings()).map_err(text)
}

fn reply(body: &str, terms: &Terms) -> String {
    let mut out = Vec::new();
    settle(body, terms).unwrap().write_reply(terms, &mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn plain_ok_without_negotiation() {
    let terms = Terms { tls: true, ..Terms::default() };
    for body in ["{}", "null", r#"{"deflate":true,"snappy":true,"tls_v1":true}"#] {
        assert_eq!(reply(body, &terms), "OK");
    }
}

#[test]
fn reply_in_order() {
    let terms = Terms { tls: true, auth_required: true, version: "x<1>".into(), ..Terms::default() };
    let body = r#"{"feature_negotiation":true,"tls_v1":true,"snappy":true,"sample_rate":7,"msg_timeout":2000,
        "output_buffer_size":-1,"output_buffer_timeout":40}"#;
    assert_eq!(
        reply(body, &terms),
        r#"{"max_rdy_count":2500,"version":"x\u003c1\u003e","max_msg_timeout":900000,"msg_timeout":2000,"tls_v1":true,"#
            .to_owned()
            + r#""deflate":false,"deflate_level":6,"max_deflate_level":6,"snappy":true,"sample_rate":7,"auth_required":true,"#
            + r#""output_buffer_size":1,"output_buffer_timeout":0,"topology_region":"","topology_zone":""}"#
    );
}

#[test]
fn ranges() {
    // field, accepted limits, rejected values, name in the text
    let cases: [(&str, [i64; 4], &[i64], &str); 5] = [
        ("heartbeat_interval", [-1, 0, 1_000, 60_000], &[-2, 1, 999, 60_001, i64::MAX], "heartbeat interval"),
        ("output_buffer_size", [-1, 0, 64, 65_536], &[-2, 1, 63, 65_537, i64::MIN], "output buffer size"),
        ("output_buffer_timeout", [-1, 0, 25, 30_000], &[-2, 1, 24, 30_001], "output buffer timeout"),
        ("sample_rate", [0, 1, 98, 99], &[-1, 100, 2_147_483_647], "sample rate"),
        ("msg_timeout", [0, 1_000, 1_001, 900_000], &[-1, 1, 999, 900_001], "msg timeout"),
    ];
    let terms = Terms::default();
    for (field, good, bad, name) in cases {
        for value in good {
            assert!(settle(&format!("{{\"{field}\":{value}}}"), &terms).is_ok(), "{field} {value}");
        }
        for value in bad {
            let expected = Err(format!("E_BAD_BODY IDENTIFY {name} ({value}) is invalid"));
            assert_eq!(settle(&format!("{{\"{field}\":{value}}}"), &terms), expected);
        }
    }
}

#[test]
fn order_of_checks() {
    let mut body = String::from(
        r#"{"heartbeat_interval":1,"output_buffer_timeout":1,"output_buffer_size":1,"sample_rate":100,"msg_timeout":1,
        "feature_negotiation":true,"snappy":true,"deflate":true}"#,
    );
    let order = [
        ("heartbeat_interval", "heartbeat interval (1)"),
        ("output_buffer_timeout", "output buffer timeout (1)"),
        ("output_buffer_size", "output buffer size (1)"),
        ("sample_rate", "sample rate (100)"),
        ("msg_timeout", "msg timeout (1)"),
    ];
    for (field, text) in order {
        assert_eq!(
            settle(&body, &Terms::default()).unwrap_err(),
            format!("E_BAD_BODY IDENTIFY {text} is invalid")
        );
        body = body.replace(field, "unknown");
    }
    let text = "E_IDENTIFY_FAILED cannot enable both deflate and snappy compression";
    assert_eq!(settle(&body, &Terms::default()).unwrap_err(), text);
}

#[test]
fn settled_values() {
    let terms = Terms::default();
    let plain = terms.settings();
    assert_eq!(settle("{}", &terms).unwrap().settings, plain);
    let off = settle(r#"{"heartbeat_interval":-1,"output_buffer_timeout":-1}"#, &terms).unwrap().settings;
    assert_eq!(off, Settings { heartbeat_ms: None, output_buffer_ms: None, ..plain });
    let through = settle(r#"{"output_buffer_size":-1,"output_buffer_timeout":25}"#, &terms).unwrap().settings;
    assert_eq!(through, Settings { output_buffer_bytes: 1, output_buffer_ms: None, ..plain });
}

#[test]
fn a_second_identify_keeps_what_it_does_not_name() {
    let terms = Terms::default();
    let first = settle(r#"{"msg_timeout":5000,"sample_rate":3}"#, &terms).unwrap().settings;
    let second = Identify::default().settle(&terms, &first).unwrap().settings;
    assert_eq!(second.msg_timeout_ms, 5_000);
    // the sample rate cannot be absent
    assert_eq!(second.sample_rate, 0);
}

#[test]
fn deflate_levels() {
    let cases =
        [(-1, 6, 6), (0, 6, 6), (1, 6, 1), (9, 6, 6), (9, 9, 9), (0, 3, 3), (99, 9, 9), (i64::MAX, 9, 9)];
    for (asked, max, level) in cases {
        let terms = Terms { deflate_level_max: max, ..Terms::default() };
        let body = format!("{{\"feature_negotiation\":true,\"deflate\":true,\"deflate_level\":{asked}}}");
        let upgrades = settle(&body, &terms).unwrap().upgrades.unwrap();
        assert_eq!((upgrades.deflate, upgrades.deflate_level), (true, level), "{asked} of {max}");
        let off = Terms { deflate: false, deflate_level_max: max, ..Terms::default() };
        let upgrades = settle(&body, &off).unwrap().upgrades.unwrap();
        assert_eq!((upgrades.deflate, upgrades.deflate_level), (false, 6.min(max)));
    }
}

#[test]
fn granted_only_if_there_and_asked_for() {
    let body = r#"{"feature_negotiation":true,"tls_v1":true,"snappy":true,"deflate":true}"#;
    let terms = Terms { snappy: false, ..Terms::default() };
    let upgrades = settle(body, &terms).unwrap().upgrades.unwrap();
    assert_eq!((upgrades.tls, upgrades.snappy, upgrades.deflate), (false, false, true));
    let terms = Terms { tls: true, deflate: false, ..Terms::default() };
    let upgrades = settle(body, &terms).unwrap().upgrades.unwrap();
    assert_eq!((upgrades.tls, upgrades.snappy, upgrades.deflate), (true, true, false));
}

#[test]
fn not_json() {
    let cases = ["", " ", "[]", "1", "{\"sample_rate\":1.5}", "{\"msg_timeout\":\"1000\"}", "{\"tls_v1\":1}"];
    for body in cases {
        assert_eq!(
            settle(body, &Terms::default()).unwrap_err(),
            "E_BAD_BODY IDENTIFY failed to decode JSON body"
        );
    }
    assert_eq!(
        settle("{\"sample_rate\":2147483648}", &Terms::default()).unwrap_err(),
        "E_BAD_BODY IDENTIFY failed to decode JSON body"
    );
}
