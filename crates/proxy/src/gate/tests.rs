//! Clients at the gate of a pool: their replies, what reaches a server, and what reloads change.

use std::net::SocketAddr;

use net::{App, LayerInfo, Peer};

use super::*;
use crate::mail::Mail;
use crate::notice::Notice;
use crate::testing::{World, settings};

/// The password of `web` is `s3cret`, that of `slow` is `password`, that of `default` is `d`.
const USERS: &str = r#"
[user.web]
password_sha256 = "1ec1c26b50d5d3c58d9583181af8076655fe00756bf7285940ba3670f99fcba0"
certificate = "app-*"
pools = ["r", "m"]
keys = ["app:*", "%R~shared:*"]
commands = ["+@all", "-@dangerous", "-del", "+acl", "+sort"]
[user.slow]
password_argon2 = "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4"
pools = "r"
keys = "*"
commands = "+@all"
[user.default]
password_sha256 = "18ac3e7343f016890c510e93f935261169d9e3f565436429830faf0934f4f8e4"
pools = "r"
commands = "+ping"
limit_connections = 2
"#;
const POOLS: &str = "[pool.r]\nlisten = \"127.0.0.1:1\"\nservers = [\"127.0.0.1:11:1 a\"]\n\
                     [pool.m]\nlisten = \"127.0.0.1:2\"\nprotocol = \"memcache\"\nservers = [\"127.0.0.1:12:1 b\"]\n";
/// Tags of the listeners: pools in the order of their names.
const M: u32 = 0;
const R: u32 = 1;
const NO_KEY: &str = "-NOPERM this user has no permissions to access one of the keys used as arguments\r\n";
const WRONG: &str = "-WRONGPASS invalid username-password pair or user is disabled.\r\n";
const NOAUTH: &str = "-NOAUTH Authentication required.\r\n";

fn world() -> World {
    World::new(&format!("{POOLS}{USERS}"))
}

/// Users whose passwords are all quick to verify. With a slow one, unknown names are slow as well.
fn quick_users() -> String {
    USERS.replace("password_argon2", "certificate = \"none\" #")
}

fn peer(host: &str) -> Peer {
    Peer::Tcp(SocketAddr::new(host.parse().unwrap(), 4711))
}

#[test]
fn a_pool_without_users_is_open_and_has_one_who_may_do_everything() {
    let mut w = World::new(POOLS);
    let c = w.accept(R);
    for (request, reply) in [
        ("ACL WHOAMI\r\n", "$7\r\ndefault\r\n"),
        ("ACL USERS\r\n", "*1\r\n$7\r\ndefault\r\n"),
        ("ACL LIST\r\n", "*1\r\n$34\r\nuser default on nopass ~* &* +@all\r\n"),
        ("ACL GETUSER nobody\r\n", "$-1\r\n"),
        ("AUTH x\r\n", "-ERR Client sent AUTH, but no password is set\r\n"),
        ("ACL CAT nosuch\r\n", "-ERR Unknown category 'nosuch'\r\n"),
        (
            "ACL CAT a b\r\n",
            "-ERR unknown subcommand or wrong number of arguments for 'CAT'. Try ACL HELP.\r\n",
        ),
        ("acl nosuch\r\n", "-ERR unknown subcommand 'nosuch'. Try ACL HELP.\r\n"),
    ] {
        assert_eq!(w.says(c, request), reply, "{request}");
    }
    assert!(w.says(c, "ACL CAT\r\n").starts_with("*21\r\n$8\r\nkeyspace\r\n$4\r\nread\r\n"));
    assert_eq!(
        w.says(c, "ACL CAT Transaction\r\n"),
        "*5\r\n$7\r\ndiscard\r\n$4\r\nexec\r\n$5\r\nmulti\r\n$7\r\nunwatch\r\n$5\r\nwatch\r\n"
    );
    assert!(
        w.says(c, "ACL GETUSER default\r\n")
            .contains("$8\r\ncommands\r\n$5\r\n+@all\r\n$4\r\nkeys\r\n$2\r\n~*\r\n")
    );
    assert!(w.proxy.clients().all(|client| !client.session.limited));
}

#[test]
fn a_client_logs_in_and_does_what_its_user_may() {
    let mut w = World::new(&format!("{POOLS}{}", quick_users()));
    let c = w.accept(R);
    for (request, reply) in [
        ("GET app:1\r\n", NOAUTH),
        ("PING\r\n", NOAUTH),
        ("ACL WHOAMI\r\n", NOAUTH),
        ("nosuch\r\n", NOAUTH),
        ("AUTH web wrong\r\n", WRONG),
        ("AUTH nobody s3cret\r\n", WRONG),
        ("AUTH s3cret\r\n", WRONG),
        ("AUTH a b c\r\n", "-ERR syntax error\r\n"),
        ("HELLO 3 AUTH web wrong\r\n", WRONG),
        ("HELLO 9 AUTH web s3cret\r\n", "-NOPROTO unsupported protocol version\r\n"),
        ("HELLO 3 AUTH web\r\n", "-ERR Syntax error in HELLO option 'AUTH'\r\n"),
    ] {
        assert_eq!(w.says(c, request), reply, "{request}");
    }
    assert!(
        w.says(c, "HELLO 3\r\n")
            .starts_with("-NOAUTH HELLO must be called with the client already authenticated")
    );
    assert!(w.io.connects.is_empty(), "nothing has gone to a server");
    for (request, reply) in [
        ("AUTH web s3cret\r\n", "+OK\r\n"),
        ("ACL WHOAMI\r\n", "$3\r\nweb\r\n"),
        ("PING\r\n", "+PONG\r\n"),
        ("GET other\r\n", NO_KEY),
        ("SET shared:1 x\r\n", NO_KEY),
        ("MGET app:1 other\r\n", NO_KEY),
        ("RENAME app:1 shared:1\r\n", NO_KEY),
        ("DEL app:1\r\n", "-NOPERM this user has no permissions to run the 'del' command\r\n"),
        ("EVAL x 1 app:1\r\n", "-NOPERM this user has no permissions to run the 'eval' command\r\n"),
        ("CONFIG GET x\r\n", "-NOPERM this user has no permissions to run the 'config|get' command\r\n"),
        ("SORT app:1 BY w*\r\n", "-ERR BY option of SORT denied due to insufficient ACL permissions.\r\n"),
        ("KEYS *\r\n", "-NOPERM this user has no permissions to run the 'keys' command\r\n"),
        ("AUTH web wrong\r\n", WRONG),
        ("ACL WHOAMI\r\n", "$3\r\nweb\r\n"),
        ("AUTH d\r\n", "+OK\r\n"),
        ("ACL WHOAMI\r\n", "-NOPERM this user has no permissions to run the 'acl|whoami' command\r\n"),
        ("RESET\r\n", "+RESET\r\n"),
        ("PING\r\n", NOAUTH),
    ] {
        assert_eq!(w.says(c, request), reply, "{request}");
    }
    assert!(w.io.connects.is_empty(), "nothing has gone to a server");
    assert!(w.says(c, "HELLO 2 AUTH web s3cret SETNAME n\r\n").starts_with("*14\r\n"));
    assert_eq!(w.says(c, "CLIENT GETNAME\r\n"), "$1\r\nn\r\n");
    w.receive(c, b"GET app:1\r\nGET shared:1\r\nSET app:2 x\r\n");
    let server = w.server(0);
    for key in ["app:1", "shared:1", "app:2"] {
        assert!(w.sent(server).contains(key), "{key}");
    }
    let stats = &w.proxy.pools.values().find(|pool| pool.config.name == "r").unwrap().stats;
    assert_eq!((stats.denied.get(), stats.login_failures.get()), (4 + 9 + 2, 5));
}

#[test]
fn acl_shows_rules_and_no_password() {
    let mut w = world();
    let c = w.accept(R);
    assert_eq!(w.says(c, "AUTH web s3cret\r\n"), "+OK\r\n");
    assert_eq!(w.says(c, "ACL USERS\r\n"), "*3\r\n$7\r\ndefault\r\n$4\r\nslow\r\n$3\r\nweb\r\n");
    let list = w.says(c, "ACL LIST\r\n");
    assert!(
        list.contains("user web on ~app:* %R~shared:* resetchannels +@all -@dangerous -del +acl +sort\r\n"),
        "{list}"
    );
    let user = w.says(c, "ACL GETUSER web\r\n");
    assert!(
        user.starts_with(
            "*12\r\n$5\r\nflags\r\n*1\r\n$2\r\non\r\n$9\r\npasswords\r\n*0\r\n$8\r\ncommands\r\n"
        ),
        "{user}"
    );
    for secret in ["1ec1c2", "s3cret", "argon2"] {
        assert!(!list.contains(secret) && !user.contains(secret));
    }
    assert_eq!(w.says(c, "ACL GETUSER nobody\r\n"), "$-1\r\n");
}

/// SELECT is refused by a rule: requests after it were meant for another database, and are not executed in
/// this one.
#[test]
fn nothing_behind_a_forbidden_command_that_it_depends_on_is_executed() {
    let mut w = World::new(&format!("{POOLS}{}", USERS.replace("\"+@all\", \"-@dangerous\"", "\"+get\"")));
    let c = w.accept(R);
    let said = w.says(c, "AUTH web s3cret\r\nSELECT 1\r\nGET app:1\r\n");
    assert_eq!(said, "+OK\r\n-NOPERM this user has no permissions to run the 'select' command\r\n");
    assert!(w.io.closed.contains(&c) && w.io.connects.is_empty());
}

#[test]
fn memcached_clients_log_in_with_their_first_set() {
    const FIRST: &str = "CLIENT_ERROR unauthenticated\r\n";
    let mut w = world();
    let c = w.accept(M);
    for (request, reply) in [
        ("get app:1\r\n", FIRST),
        ("version\r\n", FIRST),
        ("mn\r\n", FIRST),
        ("add k 0 0 10\r\nweb s3cret\r\n", FIRST),
        ("ms k 10\r\nweb s3cret\r\n", FIRST),
        ("set k 0 0 9\r\nweb wrong\r\n", "CLIENT_ERROR authentication failure\r\n"),
        ("set k 0 0 3\r\nweb\r\n", "CLIENT_ERROR bad authentication token format\r\n"),
        // of a user of the other pool
        ("set k 0 0 13\r\nslow password\r\n", "CLIENT_ERROR authentication failure\r\n"),
        ("set k 0 0 11 noreply\r\nweb  s3cret\r\n", "STORED\r\n"),
        ("mn\r\n", "MN\r\n"),
        (
            "get other\r\n",
            "CLIENT_ERROR this user has no permissions to access one of the keys used as arguments\r\n",
        ),
        (
            "get app:1 other\r\n",
            "CLIENT_ERROR this user has no permissions to access one of the keys used as arguments\r\n",
        ),
        (
            "mg b3RoZXI= b v\r\n",
            "CLIENT_ERROR this user has no permissions to access one of the keys used as arguments\r\n",
        ),
        (
            "mg shared:1 T30\r\n",
            "CLIENT_ERROR this user has no permissions to access one of the keys used as arguments\r\n",
        ),
        (
            "set shared:1 0 0 1\r\nx\r\n",
            "CLIENT_ERROR this user has no permissions to access one of the keys used as arguments\r\n",
        ),
        ("set shared:1 0 0 1 noreply\r\nx\r\n", ""),
        ("delete app:1\r\n", "CLIENT_ERROR this user has no permissions to run the 'delete' command\r\n"),
        ("flush_all\r\n", "CLIENT_ERROR this user has no permissions to run the 'flush_all' command\r\n"),
        ("stats\r\n", "CLIENT_ERROR this user has no permissions to run the 'stats' command\r\n"),
    ] {
        assert_eq!(w.says(c, request), reply, "{request}");
    }
    assert!(w.io.connects.is_empty(), "nothing has gone to a server");
    let long = "x".repeat(5000);
    w.receive(c, format!("set app:1 0 0 5000\r\n{long}\r\nmg YXBwOjI= b v\r\nmg shared:1 v\r\n").as_bytes());
    let server = w.server(0);
    assert!(w.sent(server).ends_with("mg YXBwOjI= b v\r\nmg shared:1 v\r\n"));
    let c = w.accept(M);
    assert_eq!(w.says(c, "quit\r\n"), "");
    let c = w.accept(M);
    let reply = w.says(c, &format!("set k 0 0 5000\r\n{long}\r\nget a\r\n"));
    assert_eq!(
        reply,
        format!("SERVER_ERROR object too large for cache\r\n{FIRST}"),
        "who has not logged in sends nothing long"
    );
}

/// A login of `slow` is verified on another thread; its request stays in the input.
#[test]
fn a_login_that_takes_long_keeps_its_client_waiting_and_nobody_else() {
    for (request, name, right) in [
        ("AUTH slow password\r\n", "slow", true),
        ("AUTH slow wrong\r\n", "slow", false),
        ("AUTH nobody password\r\n", "nobody", false),
        ("HELLO 2 AUTH slow password\r\n", "slow", true),
        ("HELLO 2 AUTH slow wrong\r\n", "slow", false),
    ] {
        let mut w = world();
        let c = w.accept(R);
        let input = format!("{request}PING\r\n");
        assert_eq!(w.receive(c, input.as_bytes()), 0, "{name} waits");
        assert!(w.io.paused.contains(&c));
        let other = w.accept(R);
        assert_eq!(w.says(other, "AUTH web s3cret\r\n"), "+OK\r\n");
        let verified = w.told.logins.lock().unwrap().pop().unwrap().verify();
        w.proxy.mail(&mut w.io, Mail::Verified(verified));
        assert!(!w.io.paused.contains(&c));
        let said = w.says(c, &input);
        assert!(w.told.logins.lock().unwrap().is_empty(), "it is verified once");
        if right {
            assert!(said.ends_with("+PONG\r\n") && !said.contains('-'), "{said}");
        } else {
            assert_eq!(said, format!("{WRONG}{NOAUTH}"), "{request}");
        }
        assert_eq!(w.says(other, "PING\r\n"), "+PONG\r\n");
        if right {
            let third = w.accept(R);
            assert_eq!(w.says(third, "AUTH slow password\r\n"), "+OK\r\n", "known by now");
        }
    }
}

#[test]
fn what_was_verified_is_for_the_request_it_was_asked_for() {
    let mut w = world();
    let clients = [w.accept(R), w.accept(R), w.accept(R)];
    assert_eq!(w.receive(clients[0], b"AUTH slow password\r\n"), 0);
    assert_eq!(w.receive(clients[1], b"AUTH slow wrong\r\n"), 0);
    let full = "-ERR too many logins are being verified, try again later\r\n";
    assert_eq!(w.says(clients[2], "AUTH slow password\r\n"), full);
    // The first client leaves; its id is not mistaken for another's.
    w.proxy.failed(&mut w.io, clients[0], net::Fault::Reset);
    let logins: Vec<_> = std::mem::take(&mut *w.told.logins.lock().unwrap());
    for login in logins {
        w.proxy.mail(&mut w.io, Mail::Verified(login.verify()));
    }
    assert_eq!(w.says(clients[1], "AUTH slow wrong\r\n"), WRONG);
    // After a reload during the verification, the login starts again.
    let c = w.accept(R);
    assert_eq!(w.receive(c, b"AUTH slow wrong\r\n"), 0);
    w.reload(settings(&format!("{POOLS}{}", USERS.replace("+ping", "+echo"))));
    let login = w.told.logins.lock().unwrap().pop().unwrap();
    w.proxy.mail(&mut w.io, Mail::Verified(login.verify()));
    assert!(!w.io.paused.contains(&c));
    assert_eq!(w.receive(c, b"AUTH slow wrong\r\n"), 0, "asked again, of the new users");
    assert_eq!(w.told.logins.lock().unwrap().len(), 1);
}

#[test]
fn somebody_who_guesses_is_not_listened_to_for_a_while() {
    let mut w = world();
    let bad = w.accept_from(R, peer("10.0.0.1"));
    for n in 0..10 {
        assert_eq!(w.says(bad, &format!("AUTH web guess{n}\r\n")), WRONG);
    }
    let often = "-ERR too many failed logins from this address, try again later\r\n";
    let again = w.accept_from(R, peer("10.0.0.1"));
    assert_eq!(w.says(again, "AUTH web s3cret\r\n"), often, "also with the right password");
    assert_eq!(w.says(again, "HELLO 3 AUTH web s3cret\r\n"), often);
    assert_eq!(w.says(again, "AUTH d\r\n"), "+OK\r\n", "another application of that host");
    let other = w.accept_from(R, peer("10.0.0.2"));
    assert_eq!(w.says(other, "AUTH web s3cret\r\n"), "+OK\r\n");
    let memcached = w.accept_from(M, peer("10.0.0.1"));
    assert_eq!(
        w.says(memcached, "set k 0 0 10\r\nweb s3cret\r\n"),
        "SERVER_ERROR too many failed logins from this address, try again later\r\n"
    );
    w.io.now = w.io.now + Duration::from_secs(1);
    assert_eq!(w.says(again, "AUTH web s3cret\r\n"), "+OK\r\n", "one try is free again");
}

#[test]
fn a_failed_login_is_told_once_a_second_without_what_was_tried() {
    let mut w = World::new(&format!("{POOLS}{}", quick_users()));
    let c = w.accept_from(R, peer("10.0.0.1"));
    w.says(c, "AUTH hunter2 hunter3\r\nAUTH web hunter4\r\n");
    w.io.now = w.io.now + Duration::from_secs(1);
    w.says(c, "AUTH web hunter5\r\n");
    let notices = w.told.notices.lock().unwrap();
    let failed = |user: Option<&str>| Notice::LoginFailed {
        pool: "r".into(),
        user: user.map(str::to_owned),
        address: Some("10.0.0.1".into()),
    };
    assert_eq!(*notices, [failed(None), failed(Some("web"))]);
    assert!(!format!("{notices:?} {:?} {:?}", w.proxy, w.generation).contains("hunter"));
}

#[test]
fn limits_of_users_and_pools() {
    let limited = USERS.replace("[user.slow]", "limit_requests = \"1/s burst 3\"\n[user.slow]");
    let mut w = World::new(&format!(
        "{}{limited}",
        POOLS.replace("[pool.m]", "limit_requests = \"1/s burst 4\"\n[pool.m]")
    ));
    let over_user = "-ERR too many requests: limit_requests of this user is reached, try again later\r\n";
    let over_pool = "-ERR too many requests: limit_requests of this pool is reached, try again later\r\n";
    let (one, two) = (w.accept(R), w.accept(R));
    let auth = "AUTH web s3cret\r\n";
    assert_eq!(w.says(one, auth), "+OK\r\n", "the pool's first");
    assert_eq!(w.says(two, auth), "+OK\r\n");
    assert_eq!(w.says(one, "PING\r\n"), "+PONG\r\n");
    assert_eq!(w.says(two, "PING\r\n"), "+PONG\r\n");
    assert_eq!(w.says(two, "PING\r\n"), over_pool);
    w.io.now = w.io.now + Duration::from_secs(1);
    assert_eq!(w.says(one, "PING\r\n"), "+PONG\r\n", "a second brings one more, of either");
    assert_eq!(w.says(two, "PING\r\n"), over_user);
    let default = w.accept(R);
    assert_eq!(w.says(default, "AUTH d\r\n"), over_pool);
    let stats = &w.proxy.pools.values().find(|pool| pool.config.name == "r").unwrap().stats;
    assert_eq!(stats.limited.get(), 3);
    // The other pool has no limit, but the user has.
    let m = w.accept(M);
    assert_eq!(w.says(m, "set k 0 0 10\r\nweb s3cret\r\n"), "STORED\r\n");
    assert_eq!(
        w.says(m, "mn\r\n"),
        "SERVER_ERROR too many requests: limit_requests of this user is reached, try again later\r\n"
    );
    assert_eq!(w.says(m, "set app:1 0 0 1 noreply\r\nx\r\n"), "");
}

#[test]
fn a_user_has_so_many_connections_at_a_time() {
    let mut w = world();
    let clients = [w.accept(R), w.accept(R), w.accept(R)];
    assert_eq!(w.says(clients[0], "AUTH d\r\nAUTH d\r\n"), "+OK\r\n+OK\r\n", "it counts once");
    assert_eq!(w.says(clients[1], "AUTH d\r\n"), "+OK\r\n");
    let full = "-ERR max number of clients reached\r\n";
    assert_eq!(w.says(clients[2], "AUTH d\r\n"), full);
    assert_eq!(w.says(clients[2], "HELLO 2 AUTH default d\r\n"), full);
    assert_eq!(w.says(clients[2], "PING\r\n"), NOAUTH);
    w.proxy.ended(&mut w.io, clients[0]);
    assert_eq!(w.says(clients[2], "AUTH d\r\n"), "+OK\r\n");
    assert_eq!(w.says(clients[1], "AUTH web s3cret\r\n"), "+OK\r\n", "one becomes somebody else");
    let fourth = w.accept(R);
    assert_eq!(w.says(fourth, "AUTH d\r\n"), "+OK\r\n");
}

#[test]
fn a_certificate_logs_in() {
    let mut w = world();
    let info = |name: &str, certificate| LayerInfo {
        names: vec![name.into()],
        client_certificate: certificate,
        ..LayerInfo::default()
    };
    for (name, certificate, reply) in
        [("app-1", true, "$3\r\nweb\r\n"), ("app-1", false, NOAUTH), ("other", true, NOAUTH)]
    {
        let c = w.accept(R);
        w.proxy.layered(&mut w.io, c, info(name, certificate));
        assert_eq!(w.says(c, "ACL WHOAMI\r\n"), reply, "{name}");
    }
    let mut open = World::new(POOLS);
    let c = open.accept(R);
    open.proxy.layered(&mut open.io, c, info("app-1", true));
    assert_eq!(open.says(c, "ACL WHOAMI\r\n"), "$7\r\ndefault\r\n");
}

#[test]
fn users_come_change_and_go_while_clients_stay() {
    let mut w = World::new(POOLS);
    let (early, idle) = (w.accept(R), w.accept(M));
    assert_eq!(w.says(early, "PING\r\n"), "+PONG\r\n");
    w.reload(settings(&format!("{POOLS}{USERS}")));
    assert_eq!(w.says(early, "PING\r\n"), NOAUTH, "the pool has users now");
    assert_eq!(w.says(idle, "mn\r\n"), "CLIENT_ERROR unauthenticated\r\n");
    assert_eq!(w.says(early, "AUTH web s3cret\r\nGET other\r\n"), format!("+OK\r\n{NO_KEY}"));
    let (default, another) = (w.accept(R), w.accept(R));
    assert_eq!(w.says(default, "AUTH d\r\n"), "+OK\r\n");
    // Rights change for connected clients too; counts are kept.
    let changed = USERS.replace("app:*", "other").replace("limit_connections = 2", "limit_connections = 1");
    w.reload(settings(&format!("{POOLS}{changed}")));
    assert_eq!(w.says(early, "GET app:1\r\n"), NO_KEY);
    w.receive(early, b"GET other\r\n");
    assert_eq!(w.io.connects.len(), 1);
    assert_eq!(w.says(another, "AUTH d\r\n"), "-ERR max number of clients reached\r\n");
    // The clients of a removed user are closed.
    w.reload(settings(&format!("{POOLS}{}", changed.replace("[user.default]", "[user.other]"))));
    assert_eq!(w.sent(default), "+OK\r\n-ERR user removed from the configuration\r\n");
    assert!(w.io.closed.contains(&default) && !w.io.closed.contains(&early));
    w.reload(settings(POOLS));
    assert_eq!(w.says(another, "PING\r\n"), "+PONG\r\n", "the pool is open again");
    assert!(w.proxy.clients().all(|client| client.session.user.is_none() && !client.session.limited));
}

/// A pool's own password is for its servers once users are named for it.
#[test]
fn the_password_of_a_pool_with_users_lets_nobody_in() {
    let with_password = POOLS.replace("[pool.m]", "auth = \"pass\"\n[pool.m]");
    let mut w = World::new(&with_password);
    let c = w.accept(R);
    assert_eq!(w.says(c, "AUTH pass\r\nPING\r\n"), "+OK\r\n+PONG\r\n");
    w.reload(settings(&format!("{with_password}{USERS}")));
    assert_eq!(w.says(c, "PING\r\nAUTH pass\r\n"), format!("{NOAUTH}{WRONG}"));
    assert_eq!(w.says(c, "AUTH d\r\nPING\r\n"), "+OK\r\n+PONG\r\n");
    w.reload(settings(&with_password));
    assert_eq!(w.says(c, "PING\r\n"), "-NOAUTH Authentication required\r\n", "a user's login is no password");
}
