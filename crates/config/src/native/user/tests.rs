//! Tests from users to their faults.

use crate::fault::Severity;
use crate::native::check;

const POOL: &str = "[pool.sessions]\nlisten = \"127.0.0.1:1\"\nservers = [\"local\"]\n";
const HEX: &str = "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881";

/// Every fault of a user `web` with these lines, as `LINE:COLUMN SEVERITY TEXT; HELP`; the first line is 1.
fn faults(lines: &str) -> Vec<String> {
    let report = check(&format!("{POOL}[user.web]\n{lines}"), 1);
    let shown = report.faults.iter().map(|fault| {
        let at = fault.position.map_or(String::new(), |p| format!("{}:{} ", p.line - 4, p.column));
        let severity = if fault.severity == Severity::Warning { "W " } else { "" };
        let help = if fault.help.is_empty() { String::new() } else { format!("; {}", fault.help) };
        format!("{at}{severity}{}{help}", fault.text).replace("[user.web]: ", "")
    });
    shown.collect()
}

#[test]
fn a_full_user() {
    let text = format!(
        "{POOL}[pool.pages]\nlisten = \"127.0.0.1:2\"\nservers = [\"local\"]\nlimit_requests = \"100/s burst 5\"\n\
         [user.web]\npassword_sha256 = [\"{HEX}\", \"{HEX}\"]\ncertificate = \"app-*\"\npools = [\"sessions\", \"pages\"]\n\
         keys = [\"app:*\", \"%R~shared:*\"]\ncommands = [\"+@all\", \"-@dangerous\", \"-@scripting\", \"-del\"]\n\
         publish = [\"orders.*\"]\nconsume = [\"orders.*:mail*\"]\nadmin = \"view\"\nlimit_requests = \"2000/s\"\n\
         limit_connections = 10\n[user.batch]\ncertificate = [\"b\"]\nadmin = \"operate\"\n"
    );
    let report = check(&text, 1);
    assert_eq!(report.faults, []);
    let config = report.config.unwrap();
    let [batch, web] = config.users.as_slice() else { panic!("{:?}", config.users) };
    assert_eq!((batch.spec.name.as_str(), batch.spec.admin), ("batch", access::AdminRole::Operate));
    assert_eq!(
        (web.spec.passwords.len(), web.spec.pools.len(), web.spec.limit_connections),
        (2, 2, Some(10))
    );
    assert_eq!(web.spec.limit_requests.unwrap().to_string(), "2000/s");
    let pages = config.pools.iter().find(|pool| pool.name == "pages").unwrap();
    assert_eq!(pages.limit_requests.unwrap().to_string(), "100/s burst 5");
    let specs: Vec<_> = config.users.iter().map(|user| user.spec.clone()).collect();
    assert_eq!(access::Book::check(&specs), []);
    assert!(!format!("{config:?}").contains(HEX), "a hash is shown");
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    for (lines, expected) in [
        (
            "admin = \"view\"\n",
            &["0:7 it cannot log in; give it password_sha256, password_argon2, password_file or certificate"]
                [..],
        ),
        (
            "certificate = \"a\"\npools = [\"session\"]\ncommands = [\"+gett\"]\n",
            &["2:9 there is no pool session; did you mean sessions?"],
        ),
        (
            "certificate = \"a\"\npools = [\"sessions\"]\nkeys = [\"%X~a\", \"*\"]\ncommands = [\"+nosuch\", \"+get\", \"x\"]\n",
            &[
                "3:8 keys: \"%X~a\": after % comes R, W or RW, then ~; a key that begins with % is written ~%…",
                "4:12 commands: \"+nosuch\": there is no such command",
                "4:12 commands: \"x\": a rule begins with + or -: +get, -@dangerous",
            ],
        ),
        (
            "password_sha256 = [\"5 is short\"]\nadmin = \"view\"\n",
            &["1:19 password_sha256: password 1 of the user is not 64 lower-case hex digits"],
        ),
        (
            "certificate = \"a\"\nadmin = \"root\"\nlimit_requests = \"5\"\nlimit_connections = 0\npassword = \"x\"\nconsume = 5\n",
            &[
                "2:9 admin = \"root\" is unknown; expected one of \"none\", \"view\", \"operate\"",
                "3:18 limit_requests = \"5\" is no rate; a rate is written like 2000/s, 120/min or 100/s burst 500",
                "4:21 limit_connections = 0 is out of range; expected a whole number from 1 to 4294967295",
                "5:1 unknown option password in [user.web]; write password in servers = [{ ... }]",
                "6:11 consume is a whole number; expected a text, or a list of texts",
            ],
        ),
        (
            "password_file = \"/nonexistent/secret\"\nadmin = \"view\"\n",
            &["1:17 password_file /nonexistent/secret cannot be read: no such file or directory; \
               its first line is the password"],
        ),
        (
            "password_file = \"/dev/zero\"\nadmin = \"view\"\n",
            &[
                "1:17 password_file /dev/zero is not a regular file; name a file whose first line is the password",
            ],
        ),
    ] {
        assert_eq!(faults(lines), expected, "{lines}");
    }
    let report =
        check(&format!("{POOL}[user.\"a b\"]\ncertificate = \"a\"\nadmin = \"view\"\n[user]\nx = 1\n"), 1);
    let texts: Vec<_> = report.faults.iter().map(|fault| fault.text.as_str()).collect();
    assert_eq!(
        texts,
        [
            "[user.a b]: a name has letters, digits and . _ - + @ only",
            "x stands in [user], which has no options"
        ]
    );
    let report = check("user = 1\n[user2]\n", 1);
    let helps: Vec<_> = report.faults.iter().map(|fault| fault.help.as_str()).collect();
    assert_eq!(helps, ["write [user.NAME]", "did you mean [user.NAME]?"]);
}

#[test]
fn what_is_doubtful() {
    let login = "certificate = \"a\"\n";
    for (lines, expected) in [
        ("pools = \"sessions\"\n", "2:9 W it may log in to pools and run no command"),
        ("pools = \"sessions\"\ncommands = \"+get\"\n", "2:9 W it may log in to pools and touch no key"),
        ("keys = \"*\"\nadmin = \"view\"\n", "2:8 W it has keys or commands, and no pool to use them in"),
        ("", "0:7 W it may do nothing"),
        (
            "pools = \"sessions\"\nkeys = \"a\"\ncommands = \"+@all\"\n",
            "4:12 W scripts (EVAL, FCALL) are withheld, since they can do more on their server than this user may",
        ),
        ("pools = \"sessions\"\nkeys = \"a\"\ncommands = [\"+@all\", \"-@scripting\"]\n", ""),
        ("pools = \"sessions\"\nkeys = \"a\"\ncommands = [\"+@all\", \"+@scripting\"]\n", ""),
        ("pools = \"sessions\"\nkeys = \"*\"\ncommands = \"+@all\"\n", ""),
        ("publish = \"t\"\n", ""),
    ] {
        let faults = faults(&format!("{login}{lines}"));
        let first = faults.first().map_or("", |fault| fault.split(';').next().unwrap());
        assert_eq!(first, expected, "{lines}");
        assert!(faults.len() <= 1, "{faults:?}");
    }
}

#[test]
fn a_password_from_a_file() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("secret");
    let option = format!("password_file = \"{}\"\nadmin = \"view\"\n", file.display());
    for (content, secret) in
        [("s3cret", "s3cret"), ("s3cret\nrest\n", "s3cret"), (" s3cret \r\n", " s3cret ")]
    {
        std::fs::write(&file, content).unwrap();
        let config = check(&format!("{POOL}[user.web]\n{option}"), 1).config.unwrap();
        assert!(!format!("{config:?}").contains("s3cret"));
        let specs = [config.users[0].spec.clone()];
        let book = access::Book::build(&specs).unwrap();
        assert!(matches!(book.login(b"web", secret.as_bytes()), access::Login::Granted(_)), "{content:?}");
    }
    for content in ["", "\nsecond", &"x".repeat(1025)] {
        std::fs::write(&file, content).unwrap();
        assert_eq!(faults(&option).len(), 1, "{content}");
        assert!(!faults(&option)[0].contains("xxx"));
    }
}

/// A pool with users is not public.
#[test]
fn users_close_a_public_pool() {
    let public = POOL.replace("127.0.0.1", "0.0.0.0");
    let user = "[user.web]\ncertificate = \"a\"\npools = \"sessions\"\nkeys = \"*\"\ncommands = \"+@all\"\n";
    assert_eq!(check(&public, 1).faults.len(), 1);
    assert_eq!(check(&format!("{public}{user}"), 1).faults, []);
}
