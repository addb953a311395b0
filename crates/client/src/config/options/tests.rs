//! Every option by name: accepted values, and the error texts of rejected ones.

use super::*;

#[test]
fn every_option_is_set_by_its_name() {
    let mut config = Config::new();
    let values = [
        ("dial_timeout", "3s"),
        ("read-timeout", "90s"),
        ("write_timeout", "2s"),
        ("local_addr", "127.0.0.1:0"),
        ("lookupd_poll_interval", "15s"),
        ("lookupd_poll_jitter", "0.5"),
        ("lookupd_poll_timeout", "4s"),
        ("lookupd_authorization", "false"),
        ("max_requeue_delay", "1h"),
        ("default_requeue_delay", "0"),
        ("backoff_strategy", "full_jitter"),
        ("max_backoff_duration", "0s"),
        ("backoff_multiplier", "1m30s"),
        ("max_attempts", "65535"),
        ("low_rdy_idle_timeout", "1s"),
        ("low_rdy_timeout", "5m"),
        ("rdy_redistribute_interval", "1ms"),
        ("client_id", "me"),
        ("hostname", "here"),
        ("user_agent", "test"),
        ("heartbeat_interval", "-1ms"),
        ("sample_rate", "99"),
        ("tls_v1", "t"),
        ("deflate", "1"),
        ("deflate_level", "9"),
        ("snappy", "True"),
        ("output_buffer_size", "-1"),
        ("output_buffer_timeout", "25ms"),
        ("max_in_flight", "200"),
        ("msg_timeout", "1m"),
        ("auth_secret", "s"),
        ("max_frame_size", "1024"),
        ("max_pending_publishes", "1"),
        ("publish_timeout", "1s"),
        ("max_reconnect_delay", "1s"),
    ];
    for (name, value) in values {
        config.set(name, value).unwrap();
    }
    assert_eq!(names().count(), values.len() + tls::NAMES.len());
    assert_eq!(config.read_timeout, Duration::from_secs(90));
    assert_eq!(config.backoff_multiplier, Duration::from_secs(90));
    assert_eq!((config.heartbeat_interval, config.sample_rate), (None, 99));
    assert_eq!((config.max_in_flight, config.max_attempts), (200, 65_535));
    assert!(config.tls.tls_v1 && config.deflate && config.snappy);
    assert_eq!(config.backoff_strategy, BackoffStrategy::FullJitter);
}

#[test]
fn texts_of_what_is_refused() {
    let number = |option: &str, value: &str, why: &str| {
        format!("failed to coerce option {option} ({value}) - strconv.{why}")
    };
    let long = "99999999999999999999";
    for (option, value, text) in [
        ("bogus", "1", "invalid option bogus".to_owned()),
        ("no-such", "", "invalid option no_such".to_owned()),
        ("max_in_flight", "abc", number("max_in_flight", "abc", "ParseInt: parsing \"abc\": invalid syntax")),
        ("max_in_flight", "-1", "invalid max_in_flight ! -1 < 0".to_owned()),
        (
            "max_in_flight",
            long,
            number("max_in_flight", long, &format!("ParseInt: parsing \"{long}\": value out of range")),
        ),
        ("max_attempts", "70000", "invalid max_attempts ! 70000 > 65535".to_owned()),
        ("sample_rate", "100", "invalid sample_rate ! 100 > 99".to_owned()),
        ("lookupd_poll_interval", "1ms", "invalid lookupd_poll_interval ! 1ms < 10ms".to_owned()),
        ("lookupd_poll_interval", "1h", "invalid lookupd_poll_interval ! 1h0m0s > 5m0s".to_owned()),
        (
            "read_timeout",
            "60",
            "failed to coerce option read_timeout (60) - time: missing unit in duration \"60\"".to_owned(),
        ),
        (
            "read_timeout",
            "soon",
            "failed to coerce option read_timeout (soon) - time: invalid duration \"soon\"".to_owned(),
        ),
        ("lookupd_poll_jitter", "1.5", "invalid lookupd_poll_jitter ! 1.5 > 1".to_owned()),
        ("lookupd_poll_jitter", "NaN", "invalid lookupd_poll_jitter ! NaN > 1".to_owned()),
        ("deflate", "yes", number("deflate", "yes", "ParseBool: parsing \"yes\": invalid syntax")),
        ("deflate_level", "0", "invalid deflate_level ! 0 < 1".to_owned()),
        (
            "backoff_strategy",
            "none",
            "failed to coerce option backoff_strategy (none) - invalid value type".to_owned(),
        ),
        ("tls_min_version", "9", "ERROR: 9 is not a tls version".to_owned()),
        ("tls_cert", "/no/such", "open /no/such: no such file or directory".to_owned()),
    ] {
        let error = Config::new().set(option, value).unwrap_err();
        assert_eq!(error.to_string(), text, "{option}={value}");
    }
}

#[test]
fn what_must_agree() {
    let check = |change: fn(&mut Config)| {
        let mut config = Config::new();
        change(&mut config);
        config.validate().map_err(|error| error.to_string())
    };
    assert_eq!(check(|_| {}), Ok(()));
    assert_eq!(
        check(|c| c.read_timeout = Duration::from_secs(10)),
        Err("HeartbeatInterval 30s must be less than ReadTimeout 10s".into())
    );
    assert_eq!(check(|c| c.lookupd_poll_jitter = 2.0), Err("invalid lookupd_poll_jitter ! 2 > 1".into()));
    assert_eq!(check(|c| c.sample_rate = 100), Err("invalid sample_rate ! 100 > 99".into()));
    assert!(check(|c| (c.snappy, c.deflate) = (true, true)).is_err());
}
