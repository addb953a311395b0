use std::sync::atomic::AtomicU64;

use access::{PasswordSpec, Rate, UserSpec};

use super::*;

fn user(name: &str, secret: &str, admin: AdminRole) -> UserSpec {
    let passwords = vec![PasswordSpec::plain(secret.as_bytes()).unwrap()];
    UserSpec { name: name.into(), passwords, admin, ..UserSpec::default() }
}

fn frozen() -> Duration {
    Duration::from_secs(1000)
}

fn desk(users: &[UserSpec]) -> LoginDesk {
    LoginDesk::new(Book::build(users).unwrap(), frozen)
}

fn users() -> Vec<UserSpec> {
    let publisher = UserSpec { publish: vec!["orders.*".into()], ..user("app", "p-app", AdminRole::None) };
    vec![publisher, user("eve", "p-eve", AdminRole::View), user("ops", "p-ops:x", AdminRole::Operate)]
}

fn basic(name: &str, secret: &str) -> String {
    format!("Basic {}", base64::encode(format!("{name}:{secret}").as_bytes()))
}

fn headers(value: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if !value.is_empty() {
        headers.insert(AUTHORIZATION, value.parse().unwrap());
    }
    headers
}

/// The user's name, or status and message, over a connection of its own.
fn permit(desk: &LoginDesk, right: Right, value: &str, from: &str) -> Result<String, (u16, String)> {
    permit_over(desk, right, value, &Caller::new(from.parse().ok()))
}

fn permit_over(
    desk: &LoginDesk,
    right: Right,
    value: &str,
    caller: &Caller,
) -> Result<String, (u16, String)> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let permitted = runtime.block_on(desk.permit(right, &headers(value), caller));
    let user = permitted.map_err(|refusal| (refusal.status().as_u16(), refusal.message().to_owned()))?;
    Ok(user.map_or_else(String::new, |user| user.name().to_owned()))
}

#[test]
fn who_may_do_what() {
    let desk = desk(&users());
    let unauthorized = || Err((401, "UNAUTHORIZED".to_owned()));
    let forbidden = || Err((403, "FORBIDDEN".to_owned()));
    let is = |name: &str| Ok(name.to_owned());
    let cases = [
        (Right::Anybody, String::new(), is("")),
        (Right::Anybody, basic("ops", "wrong"), is("")),
        (Right::View, String::new(), unauthorized()),
        (Right::View, basic("app", "p-app"), forbidden()),
        (Right::View, basic("eve", "p-eve"), is("eve")),
        (Right::View, basic("ops", "p-ops:x"), is("ops")),
        (Right::Operate, basic("eve", "p-eve"), forbidden()),
        (Right::Operate, basic("ops", "p-ops:x"), is("ops")),
        (Right::Operate, basic("ops", "p-ops"), unauthorized()),
        (Right::Topic, basic("app", "p-app"), is("app")),
        (Right::Topic, basic("nobody", "p-app"), unauthorized()),
        (Right::View, "Bearer p-eve".into(), is("eve")),
        (Right::View, "bearer  p-eve".into(), is("eve")),
        (Right::View, "Bearer p-ev".into(), unauthorized()),
        (Right::View, "Bearer".into(), unauthorized()),
        (Right::View, "Bearer ".into(), unauthorized()),
        (Right::View, "Basic p-eve".into(), unauthorized()),
        (Right::View, format!("Basic {}", base64::encode(b"eve")), unauthorized()),
        (Right::View, "Digest eve".into(), unauthorized()),
        (Right::View, format!("Bearer {}", "x".repeat(5000)), unauthorized()),
    ];
    for (right, value, expected) in cases {
        assert_eq!(permit(&desk, right, &value, "10.0.0.1"), expected, "{right:?} {value}");
    }
    let mut twice = headers(&basic("ops", "p-ops:x"));
    twice.append(AUTHORIZATION, basic("eve", "p-eve").parse().unwrap());
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let refused = runtime.block_on(desk.permit(Right::View, &twice, &Caller::default())).unwrap_err();
    assert_eq!(refused.status().as_u16(), 401, "two credentials are none");
}

#[test]
fn without_rights_to_give_nobody_is_asked() {
    let redis = UserSpec { pools: vec!["p".into()], ..user("web", "p", AdminRole::None) };
    for users in [vec![], vec![redis]] {
        let desk = desk(&users);
        assert!(!desk.is_needed(Right::Operate));
        assert_eq!(permit(&desk, Right::Operate, "", "10.0.0.1"), Ok(String::new()));
    }
    let operators = desk(&users()[1..]);
    assert_eq!(permit(&operators, Right::Topic, "", "10.0.0.1"), Ok(String::new()), "topics are open");
    assert_eq!(permit(&operators, Right::View, "", "10.0.0.1").unwrap_err().0, 401);
    let publishers = desk(&users()[..1]);
    assert_eq!(permit(&publishers, Right::View, "", "10.0.0.1").unwrap_err().0, 401, "nobody may");
    let desk = desk(&[]);
    desk.set_book(Book::build(&users()).unwrap());
    assert_eq!(permit(&desk, Right::View, "", "10.0.0.1").unwrap_err().0, 401, "a reload closes it");
}

#[test]
fn brute_force_is_slowed_down_per_address_and_counted() {
    let desk = desk(&users());
    let tries = |count: usize, from: &str, value: &str| -> Vec<u16> {
        (0..count)
            .map(|_| permit(&desk, Right::View, value, from).map_or_else(|(status, _)| status, |_| 200))
            .collect()
    };
    assert_eq!(tries(10, "10.0.0.1", &basic("eve", "guess")), [401; 10]);
    assert_eq!(tries(3, "10.0.0.1", &basic("eve", "guess")), [429; 3]);
    assert_eq!(tries(1, "10.0.0.1", &basic("eve", "p-eve")), [429], "the right one is not found out either");
    assert_eq!(tries(1, "10.0.0.1", &basic("ops", "p-ops:x")), [200], "of another user");
    assert_eq!(tries(1, "10.0.0.2", &basic("eve", "p-eve")), [200], "from another address");
    assert_eq!(tries(12, "10.0.0.3", "Bearer guess")[9..], [401, 429, 429], "tokens too");
    assert_eq!(desk.failures(), 10 + 3 + 1 + 12);
}

#[test]
fn requests_of_a_user_are_limited() {
    static NOW_MS: AtomicU64 = AtomicU64::new(1_000_000);
    fn moving() -> Duration {
        Duration::from_millis(NOW_MS.load(Ordering::Relaxed))
    }
    let limit_requests = Some(Rate { count: 2, per: Duration::from_secs(1), burst: 2 });
    let users = [UserSpec { limit_requests, ..user("eve", "p-eve", AdminRole::View) }];
    let desk = LoginDesk::new(Book::build(&users).unwrap(), moving);
    let ask = || permit(&desk, Right::View, "Bearer p-eve", "10.0.0.1");
    assert!(ask().is_ok() && ask().is_ok());
    assert_eq!(ask(), Err((429, "TOO_MANY_REQUESTS".into())));
    NOW_MS.fetch_add(500, Ordering::Relaxed);
    assert!(ask().is_ok());
    assert_eq!(desk.failures(), 0, "a limit is no failed login");
}

#[test]
fn a_certificate_logs_in_unless_credentials_do() {
    let by_name =
        UserSpec { certificates: vec!["ops-*".into()], ..user("ops", "p-ops:x", AdminRole::Operate) };
    let desk = desk(&[by_name, user("eve", "p-eve", AdminRole::View)]);
    let with =
        |names: &[&str]| Caller::default().with_names(names.iter().map(|name| (*name).to_owned()).collect());
    for (names, value, expected) in [
        (&["ops-1"][..], "", Ok("ops")),
        (&["other", "ops-2"], "", Ok("ops")),
        (&["other"], "", Err(401)),
        (&[], "", Err(401)),
        (&["ops-1"], "Bearer p-eve", Err(403)),
        (&["ops-1"], "Bearer wrong", Err(401)),
        (&["other"], "Bearer p-ops:x", Ok("ops")),
    ] {
        let got = permit_over(&desk, Right::Operate, value, &with(names));
        assert_eq!(got.as_deref().map_err(|(status, _)| *status), expected, "{names:?} {value}");
    }
}

#[test]
fn a_connection_counts_for_the_user_of_its_last_request_until_it_ends() {
    let limit_connections = Some(1);
    let eve = UserSpec { limit_connections, ..user("eve", "p-eve", AdminRole::View) };
    let book = Book::build(&[eve, user("ops", "p-ops", AdminRole::View)]).unwrap();
    let desk = LoginDesk::new(book.clone(), frozen);
    let ask = |caller: &Caller, value: &str| {
        permit_over(&desk, Right::View, value, caller)
            .map_err(|(status, message)| format!("{status} {message}"))
    };
    let refused = || Err("429 TOO_MANY_CONNECTIONS".to_owned());
    let (first, second) = (Caller::default(), Caller::default());
    for _ in 0..2 {
        assert_eq!(ask(&first, "Bearer p-eve"), Ok("eve".into()));
        assert_eq!(ask(&second, "Bearer p-eve"), refused());
    }
    assert_eq!(ask(&first, "Bearer p-ops"), Ok("ops".into()));
    assert_eq!(ask(&second, "Bearer p-eve"), Ok("eve".into()));
    desk.set_book(book.next(&[user("eve", "p-eve", AdminRole::View)]).unwrap());
    assert_eq!(ask(&first, "Bearer p-eve"), Ok("eve".into()), "without the limit");
    let count = || book.user(b"eve").unwrap().connection_count();
    assert_eq!(count(), 2, "a reload keeps the count");
    drop((first, second));
    assert_eq!(count(), 0);
    let pool = book.user(b"eve").unwrap().connect();
    desk.set_book(book.clone());
    assert_eq!(ask(&Caller::default(), "Bearer p-eve"), refused(), "connections to pools count as well");
    drop(pool);
}

#[test]
fn slow_passwords_are_verified_elsewhere() {
    // "password", of the reference implementation
    let hash = "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";
    let passwords = vec![PasswordSpec::Argon2(hash.into())];
    let spec = UserSpec { name: "eve".into(), passwords, admin: AdminRole::View, ..UserSpec::default() };
    let desk = desk(&[spec]);
    for (secret, expected) in [("wrong", Err(401)), ("password", Ok("eve")), ("password", Ok("eve"))] {
        let got = permit(&desk, Right::View, &basic("eve", secret), "10.0.0.1");
        assert_eq!(got.as_deref().map_err(|(status, _)| *status), expected, "{secret}");
    }
}

#[test]
fn nothing_shows_a_secret() {
    let desk = desk(&users());
    let basic = basic("eve", "p-eve");
    let mut headers = headers(&basic);
    conceal(&mut headers);
    let call = crate::client::Call::get("http://eve:p-eve@host/path?token=p-eve").bearer("p-eve");
    let refusals = (refusal(Denial::Wrong), forbidden());
    let shown = format!("{desk:?} {refusals:?} {headers:?} {call:?}");
    for secret in ["p-eve", "p-ops", &basic] {
        assert!(!shown.contains(secret), "{shown}");
    }
    assert!(shown.contains("authorization") && shown.contains("host/path"), "{shown}");
}
