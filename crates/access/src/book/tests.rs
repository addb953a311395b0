//! Logins by name, token and certificate, and faults of users.

use super::*;
use crate::spec::{AdminRole, PasswordSpec};

fn plain(name: &str, secret: &str) -> UserSpec {
    let passwords = vec![PasswordSpec::plain(secret.as_bytes()).unwrap()];
    UserSpec { name: name.into(), passwords, ..UserSpec::default() }
}

fn slow(name: &str) -> UserSpec {
    // "password", of the reference implementation
    let hash = "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";
    let passwords = vec![PasswordSpec::Argon2(hash.into())];
    UserSpec { name: name.into(), passwords, ..UserSpec::default() }
}

fn book(specs: &[UserSpec]) -> Book {
    Book::build(specs).unwrap_or_else(|faults| panic!("{faults:?}"))
}

fn name(login: &Login) -> &str {
    match login {
        Login::Granted(user) => user.name(),
        Login::Denied => "-",
        Login::Slow(_) => "slow",
    }
}

#[test]
fn logins_by_name() {
    let mut two = plain("batch", "old");
    two.passwords.push(PasswordSpec::plain(b"new").unwrap());
    let book = book(&[plain("web", "s3cret"), two]);
    let long = "x".repeat(SECRET_BYTES_MAX + 1);
    for (user, secret, expected) in [
        ("web", "s3cret", "web"),
        ("web", "S3cret", "-"),
        ("web", "", "-"),
        ("web", "old", "-"),
        ("WEB", "s3cret", "-"),
        ("batch", "old", "batch"),
        ("batch", "new", "batch"),
        ("nobody", "s3cret", "-"),
        ("", "", "-"),
        ("web", long.as_str(), "-"),
    ] {
        assert_eq!(name(&book.login(user.as_bytes(), secret.as_bytes())), expected, "{user} {secret}");
    }
    assert_eq!(book.users().map(|user| user.name()).collect::<Vec<_>>(), ["batch", "web"]);
}

#[test]
fn a_slow_login_is_quick_the_second_time() {
    let book = book(&[slow("web"), plain("quick", "x")]);
    let proof = |user: &str, secret: &str| match book.login(user.as_bytes(), secret.as_bytes()) {
        Login::Slow(proof) => proof.verify().map(|user| user.name().to_owned()),
        other => panic!("{user}: {other:?}"),
    };
    assert_eq!(proof("web", "wrong"), None);
    assert_eq!(proof("nobody", "password"), None, "an unknown name takes as long");
    let book_after_restart = self::book(&[slow("web")]);
    assert_eq!(name(&book_after_restart.login(b"web", b"password")), "slow");
    assert_eq!(proof("web", "password").as_deref(), Some("web"));
    assert_eq!(name(&book.login(b"web", b"password")), "web");
    assert_eq!(name(&book.part(|_| true).login(b"web", b"password")), "web", "also for a part of the book");
    assert_eq!(proof("web", "wrong"), None, "a wrong one is as slow as before");
    assert_eq!(name(&book.login(b"quick", b"x")), "quick");
    assert_eq!(name(&book.login(b"quick", b"y")), "-");
}

#[test]
fn tokens_and_certificates() {
    let mut exact = plain("exact", "a");
    exact.certificates = vec!["app-1.example".into()];
    let mut wide = plain("wide", "b");
    wide.certificates = vec!["app-*".into(), "old".into()];
    let mut any = plain("any", "c");
    any.certificates = vec!["*".into()];
    let mut narrow = plain("narrow", "d");
    narrow.certificates = vec!["app-2*".into()];
    let book = book(&[any, exact, wide, narrow]);
    let certified = |names: &str| book.certified(names.split(' ')).map(|user| user.name().to_owned());
    for (names, expected) in [
        ("app-1.example", "exact"),
        ("other app-1.example", "exact"),
        ("app-2.example", "narrow"),
        ("app-3", "wide"),
        ("old", "wide"),
        ("else", "any"),
    ] {
        assert_eq!(certified(names).as_deref(), Some(expected), "{names}");
    }
    assert!(book.certified(std::iter::empty::<&str>()).is_none());
    assert!(book.part(|user| user.name() == "wide").certified(["else"].into_iter()).is_none());
    assert_eq!(book.bearer(b"b").map(|user| user.name()), Some("wide"));
    assert!(book.bearer(b"nothing").is_none());
    assert!(book.bearer(&[b'x'; 5000]).is_none());
}

#[test]
fn parts() {
    let mut web = plain("web", "a");
    web.pools = vec!["sessions".into(), "pages".into()];
    let mut operator = plain("operator", "b");
    operator.admin = AdminRole::Operate;
    let book = book(&[web, operator]);
    let names = |book: Book| book.users().map(|user| user.name().to_owned()).collect::<Vec<_>>().join(" ");
    assert_eq!(names(book.of_pool("sessions")), "web");
    assert_eq!(names(book.of_pool("pages")), "web");
    assert!(book.of_pool("other").is_empty());
    assert_eq!(names(book.part(|user| user.admin() >= AdminRole::View)), "operator");
    assert_eq!(name(&book.of_pool("pages").login(b"operator", b"b")), "-");
}

#[test]
fn what_was_used_of_limits_stays_used() {
    let now = std::time::Duration::from_secs(1);
    let mut spec = plain("web", "x");
    spec.limit_connections = Some(2);
    spec.limit_requests = Some(crate::Rate::parse("1/s burst 2").unwrap());
    let first = Book::build(&[spec.clone()]).unwrap();
    let user = first.user(b"web").unwrap();
    let one = user.connect().unwrap();
    assert!(user.requests().unwrap().take(now));
    spec.limit_connections = Some(1);
    let second = first.next(&[spec.clone(), plain("new", "y")]).unwrap();
    let user = second.user(b"web").unwrap();
    assert_eq!((user.connection_count(), second.users().len()), (1, 2));
    assert!(user.connect().is_none(), "the one from before counts");
    assert!(user.requests().unwrap().take(now) && !user.requests().unwrap().take(now));
    drop(one);
    assert!(user.connect().is_some());
    spec.limit_requests = Some(crate::Rate::parse("9/s").unwrap());
    let third = second.next(&[spec]).unwrap();
    assert!(third.user(b"web").unwrap().requests().unwrap().take(now), "another rate begins anew");
}

#[test]
fn everything_that_is_wrong_is_said_at_once() {
    let mut wrong = plain("web", "x");
    wrong.keys = vec!["%X~a".into(), "ok".into()];
    wrong.commands = vec!["+nosuch".into(), "get".into()];
    wrong.publish = vec!["a:b".into()];
    wrong.consume = vec![":".into()];
    let mut long = plain("long", "x");
    long.keys = vec!["x".repeat(1025)];
    let mut many = plain("many", "x");
    many.pools = vec!["p".into(); 1001];
    let names = ["", "a b", "a:b", "ä", &"x".repeat(65)].map(|name| plain(name, "x"));
    let no_login = UserSpec { name: "nobody".into(), ..UserSpec::default() };
    let specs = [wrong, long, many, no_login, plain("web", "y")].into_iter().chain(names).collect::<Vec<_>>();
    let faults = Book::build(&specs).unwrap_err();
    let of = |user: &str| faults.iter().filter(|f| f.user == user).map(|f| f.option).collect::<Vec<_>>();
    assert_eq!(of("web"), ["commands", "commands", "keys", "publish", "consume", ""]);
    assert_eq!((of("long"), of("many"), of("nobody")), (vec!["keys"], vec!["pools"], vec![""]));
    assert_eq!(faults.iter().filter(|fault| fault.why.starts_with("a name has")).count(), 5);
    assert_eq!(faults[0].to_string(), "user \"web\": commands: \"+nosuch\": there is no such command");
    let many: Vec<_> = (0..=USERS_MAX).map(|n| plain(&format!("u{n}"), "x")).collect();
    assert_eq!(Book::build(&many).unwrap_err().len(), 1);
    assert!(Book::build(&[]).unwrap().is_empty());
}

#[test]
fn nothing_shows_a_secret() {
    let specs = [plain("web", "hunter2"), slow("late")];
    let book = book(&specs);
    let (granted, proof) = (book.login(b"web", b"hunter2"), book.login(b"late", b"hunter2"));
    let line = String::from_utf8(book.user(b"web").unwrap().line()).unwrap();
    let shown = format!("{specs:?} {book:?} {granted:?} {proof:?} {line}");
    for secret in
        ["hunter2", "c29tZXNhbHQ", "f52fbd32b2b3b86ff88ef6c490628285f482af15ddcb29541f94bcf526a3f6c7"]
    {
        assert!(!shown.contains(secret), "{shown}");
    }
    assert_eq!(line, "user web on resetchannels -@all");
}
