//! Answers to commands that need no server, so that any client connects without errors.

mod client_info;
mod clients;
mod databases;
mod facts;
mod info;
mod monitor;
mod pause;
mod settings;
mod slow_log;

use config::checked::Pool as Config;
use net::Io;
use wire::redis::encode::{self, Version};
use wire::redis::{Args, Argument, Command, Local, Reason, Refusal, Request};

use self::facts::REDIS_VERSION;
use crate::client::stateful::{Silence, Transaction};
use crate::client::{Client, Session};
use crate::gate::acl;
use crate::gather::About;
use crate::keys::PoolKey;
use crate::proxy::Proxy;
use crate::response::scanned;

/// nutcracker 0.5.0's text, without the full stop of Redis.
pub(crate) const NOAUTH: &[u8] = b"-NOAUTH Authentication required\r\n";

pub(crate) const OK: &[u8] = b"+OK\r\n";
pub(crate) const HELLO_NEEDS_AUTH: &[u8] = b"-NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO \
    <proto> AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol version at \
    the same time\r\n";

/// Writes the error for keys that live on several servers.
pub(crate) fn cross_slot(in_cluster: bool, tag: Option<[u8; 2]>, command: &str, out: &mut Vec<u8>) {
    if in_cluster {
        return encode::error(out, b"CROSSSLOT Keys in request don't hash to the same slot");
    }
    let fix = match tag {
        Some([open, close]) => {
            let (open, close) = (open as char, close as char);
            format!("give them the same hash tag, as in {open}tag{close}a {open}tag{close}b")
        }
        None => {
            "set hash_tag: \"{}\" for the pool and give them the same tag, as in {tag}a {tag}b".to_owned()
        }
    };
    encode::error(
        out,
        format!("CROSSSLOT the keys of '{command}' live on different servers: {fix}").as_bytes(),
    );
}

impl Proxy {
    /// Gives a client a reply that needs no server, in order.
    pub(crate) fn give<I: Io>(&self, io: &mut I, client: &mut Client, reply: &[u8]) {
        self.pools[client.pool].count_reply(reply.len());
        client.answer_now(io, reply);
    }

    /// Answers a command about the cluster that this pool pretends to be, or refuses it.
    pub(crate) fn answer_as_cluster<I: Io>(
        &mut self,
        io: &mut I,
        client: &mut Client,
        command: &'static Command,
        argument: Option<Argument<'_>>,
    ) {
        let pool = &self.pools[client.pool];
        let mut out = std::mem::take(&mut self.scratch.reply);
        out.clear();
        let argument = argument.map(|argument| argument.bytes());
        let is_answered =
            pool.pretended.as_ref().is_some_and(|pretended| match command.name.split_once('|') {
                Some((_, subcommand)) => {
                    pretended.answer(subcommand, argument, client.session.version(), &mut out)
                }
                // Every node serves every key, and none is a replica.
                None => {
                    out.extend_from_slice(OK);
                    matches!(command.name, "readonly" | "readwrite" | "asking")
                }
            });
        if is_answered {
            pool.stats.answered_here.inc();
            self.give(io, client, &out);
        }
        self.scratch.reply = out;
        if !is_answered {
            self.refuse_redis(io, client, &Refusal::Unsupported(command, Reason::Cluster));
        }
    }

    /// Ends all that a client has begun, as RESET does.
    fn reset<I: Io>(&mut self, io: &mut I, client: &mut Client) {
        self.end_transaction(client);
        self.end_watch(client);
        self.leave_private(client);
        self.end_subscriptions(io, client);
        let (session, pool) = (&mut client.session, &self.pools[client.pool]);
        session.resp3 = false;
        session.name = None;
        session.db = None;
        if session.silence() == Some(Silence::Always) {
            session.set_silence(None);
        }
        pool.gate.leave(session, &pool.config);
        self.pools[client.pool].monitors.remove(client.id);
    }

    pub(crate) fn answer<I: Io>(
        &mut self,
        io: &mut I,
        client: &mut Client,
        local: Local,
        request: &Request,
        frame: &[u8],
    ) {
        let pool = &self.pools[client.pool];
        pool.stats.answered_here.inc();
        let mut out = std::mem::take(&mut self.scratch.reply);
        out.clear();
        let mut args = request.args(frame);
        args.next();
        let session = &mut client.session;
        match local {
            Local::Ping if !session.resp3 && session.is_subscribed() => {
                encode::array(&mut out, 2);
                encode::bulk(&mut out, b"pong");
                encode::bulk(&mut out, args.next().map_or(b"", |message| message.bytes()));
            }
            Local::Ping => ping(args, &mut out),
            Local::Echo => encode::bulk(&mut out, args.next().map_or(b"", |a| a.bytes())),
            Local::Quit => {
                out.extend_from_slice(OK);
                session.leaving = true;
            }
            Local::Auth => authenticate(session, &pool.config, args, &mut out),
            Local::Hello => hello(session, &pool.config, args, &mut out),
            Local::Select => {
                self.scratch.reply = out;
                return self.select(io, client, args);
            }
            Local::Multi => {
                let server = session.watched().map(|lane| lane.server);
                session.stateful().transaction = Some(Transaction { server, ..Transaction::default() });
                out.extend_from_slice(OK);
            }
            Local::Exec => out.extend_from_slice(b"-ERR EXEC without MULTI\r\n"),
            Local::Discard => out.extend_from_slice(b"-ERR DISCARD without MULTI\r\n"),
            // Keys are watched on the client's own connection, to which these are sent.
            Local::Watch | Local::Unwatch => {
                self.end_watch(client);
                out.extend_from_slice(OK);
            }
            Local::Reset => {
                self.reset(io, client);
                out.extend_from_slice(b"+RESET\r\n");
            }
            Local::AclCat | Local::AclGetUser | Local::AclList | Local::AclUsers | Local::AclWhoami => {
                let has_password = pool.config.auth.is_some();
                acl::answer(&pool.gate, session, has_password, (local, args), &mut out);
            }
            Local::ClientId => encode::integer(&mut out, session.number as i64),
            Local::ClientGetName => match &session.name {
                Some(name) => encode::bulk(&mut out, name),
                None => encode::null(&mut out, session.version()),
            },
            // the name follows the subcommand
            Local::ClientSetName => set_name(session, args.nth(1).map_or(b"", |a| a.bytes()), &mut out),
            Local::ClientSetInfo => out.extend_from_slice(OK),
            Local::ClientGetRedir => encode::integer(&mut out, -1),
            Local::ClientInfo => {
                let line = client_info::line(io, client, pool, Some(frame.len()));
                encode::verbatim(&mut out, line.as_bytes(), client.session.version());
            }
            Local::ClientList
            | Local::ClientKill
            | Local::ClientUnblock
            | Local::ClientPause
            | Local::ClientUnpause => {
                args.next();
                self.answer_about_clients(io, client, (local, args, frame.len()), &mut out);
            }
            Local::Monitor => {
                self.pools[client.pool].monitors.add(client.id);
                out.extend_from_slice(OK);
            }
            Local::ClientReply => clients::set_replies(client, args.nth(1), &mut out),
            Local::ClientOnOff => on_off(args.nth(1), &mut out),
            Local::ClientTrackingInfo => tracking_info(session.version(), &mut out),
            Local::Command => wire::redis::command_reply(request.args(frame), session.version(), &mut out),
            Local::ConfigGet => {
                let about = (About::Settings, session.version());
                self.write_about(io, client.pool, about, frame, None, &mut out);
            }
            Local::Info => {
                let about = (About::Info, session.version());
                self.write_about(io, client.pool, about, frame, None, &mut out);
            }
            Local::Lolwut => encode::verbatim(&mut out, bird().as_bytes(), session.version()),
            Local::SlowLogGet => slow_log::get(&pool.slow_log, args, &mut out),
            Local::SlowLogLen => encode::integer(&mut out, pool.slow_log.len() as i64),
            Local::SlowLogReset => {
                pool.slow_log.reset();
                out.extend_from_slice(OK);
            }
            Local::Time => time(io.wall_time().0 / 1000, &mut out),
        }
        self.give(io, client, &out);
        self.scratch.reply = out;
        if local == Local::Hello {
            self.note_version(client);
        }
    }

    /// Appends the answer to a question about the Redis behind a pool: `said` is the answer of the only
    /// server, if there was one.
    pub(crate) fn write_about<I: Io>(
        &self,
        io: &I,
        pool: PoolKey,
        (about, version): (About, Version),
        request: &[u8],
        said: Option<&[u8]>,
        out: &mut Vec<u8>,
    ) -> Option<()> {
        let facts = self.facts(io, pool);
        let mut args = Args::of(request)?;
        args.next();
        let said = said.map(|frame| Some((scanned(frame)?, frame)));
        match (about, said) {
            (About::Info, None) => info::own(args, &facts, version, out),
            (About::Info, Some(said)) => info::corrected(said?, &facts, version, out)?,
            (About::Settings, said) => {
                args.next(); // the word GET
                match said {
                    None => settings::own(args, &facts, version, out),
                    Some(said) => settings::corrected(said?, args, &facts, version, out)?,
                }
            }
        }
        Some(())
    }
}

/// Answers TIME, from microseconds since 1970.
fn time(micros: i64, out: &mut Vec<u8>) {
    encode::array(out, 2);
    encode::bulk(out, (micros / 1_000_000).to_string().as_bytes());
    encode::bulk(out, (micros % 1_000_000).to_string().as_bytes());
}

/// The text of LOLWUT.
fn bird() -> String {
    format!("    ,\n   (o>   Nuthatch {}\n\\_//)\n \\_/_)\n  _|_\n", env!("CARGO_PKG_VERSION"))
}

/// Handles `PING [message]`.
fn ping(mut args: Args<'_>, out: &mut Vec<u8>) {
    match (args.next(), args.next()) {
        (None, _) => out.extend_from_slice(b"+PONG\r\n"),
        (Some(message), None) => encode::bulk(out, message.bytes()),
        _ => out.extend_from_slice(b"-ERR wrong number of arguments for 'ping' command\r\n"),
    }
}

/// Handles `AUTH password` or `AUTH user password`. The only user is `default`, as in a Redis without access
/// control lists.
fn authenticate(session: &mut Session, config: &Config, mut args: Args<'_>, out: &mut Vec<u8>) {
    if args.count_left() > 2 {
        return out.extend_from_slice(b"-ERR syntax error\r\n");
    }
    let (first, second) = (args.next().map(|a| a.bytes()), args.next().map(|a| a.bytes()));
    let (user, password) = match second {
        Some(password) => (first, password),
        None => (None, first.unwrap_or_default()),
    };
    out.extend_from_slice(check_password(session, config, user, password).err().unwrap_or(OK));
}

/// Checks a password. The errors are nutcracker's without a user, Redis' with one. A pool without a password
/// accepts any for the user `default`, as Redis does.
fn check_password(
    session: &mut Session,
    config: &Config,
    user: Option<&[u8]>,
    password: &[u8],
) -> Result<(), &'static [u8]> {
    let known = user.is_none_or(|user| user == b"default");
    let right = match &config.auth {
        Some(expected) => {
            session.authenticated = known && expected.matches(password);
            session.authenticated
        }
        None if user.is_none() => return Err(b"-ERR Client sent AUTH, but no password is set\r\n"),
        None => known,
    };
    match user {
        _ if right => Ok(()),
        None => Err(b"-ERR invalid password\r\n"),
        Some(_) => Err(b"-WRONGPASS invalid username-password pair or user is disabled.\r\n"),
    }
}

/// The arguments of a `HELLO`.
pub(crate) struct Hello<'a> {
    resp3: bool,
    /// User and password.
    pub(crate) auth: Option<(&'a [u8], &'a [u8])>,
    name: Option<&'a [u8]>,
}

/// Parses `HELLO [2|3 [AUTH user password] [SETNAME name]]` as Redis 7 does; `args` follow the name. Fails
/// with the error reply. `resp3`: the client speaks RESP3 already.
pub(crate) fn read_hello(mut args: Args<'_>, resp3: bool) -> Result<Hello<'_>, Vec<u8>> {
    let mut hello = Hello { resp3, auth: None, name: None };
    if let Some(wanted) = args.next() {
        hello.resp3 = match wanted.bytes() {
            b"2" => false,
            b"3" => true,
            other if other.iter().all(u8::is_ascii_digit) && !other.is_empty() => {
                return Err(b"-NOPROTO unsupported protocol version\r\n".to_vec());
            }
            _ => return Err(b"-ERR Protocol version is not an integer or out of range\r\n".to_vec()),
        };
    }
    while let Some(option) = args.next() {
        if option.is("auth") && args.count_left() >= 2 {
            hello.auth =
                args.next().zip(args.next()).map(|(user, password)| (user.bytes(), password.bytes()));
        } else if option.is("setname") && args.count_left() >= 1 {
            hello.name = args.next().map(|name| name.bytes());
            check_name(hello.name.unwrap_or_default())?;
        } else {
            let mut error = Vec::new();
            encode::error(
                &mut error,
                &[b"ERR Syntax error in HELLO option '", option.bytes(), b"'"].concat(),
            );
            return Err(error);
        }
    }
    Ok(hello)
}

/// Handles `HELLO` in a pool without users.
fn hello(session: &mut Session, config: &Config, args: Args<'_>, out: &mut Vec<u8>) {
    let hello = match read_hello(args, session.resp3) {
        Ok(hello) => hello,
        Err(error) => return out.extend_from_slice(&error),
    };
    if let Some((user, password)) = hello.auth
        && let Err(error) = check_password(session, config, Some(user), password)
    {
        return out.extend_from_slice(error);
    }
    if !session.authenticated {
        return out.extend_from_slice(HELLO_NEEDS_AUTH);
    }
    greet(session, config, &hello, out);
}

/// Executes and answers a `HELLO` of a client that is logged in.
pub(crate) fn greet(session: &mut Session, config: &Config, hello: &Hello<'_>, out: &mut Vec<u8>) {
    session.resp3 = hello.resp3;
    if let Some(name) = hello.name {
        session.name = if name.is_empty() { None } else { Some(name.into()) };
    }
    write_hello(session, config, out);
}

fn write_hello(session: &Session, config: &Config, out: &mut Vec<u8>) {
    encode::map(out, 7, session.version());
    let texts: [(&str, &str); 2] = [("server", "redis"), ("version", REDIS_VERSION)];
    for (key, value) in texts {
        encode::bulk(out, key.as_bytes());
        encode::bulk(out, value.as_bytes());
    }
    encode::bulk(out, b"proto");
    encode::integer(out, if session.resp3 { 3 } else { 2 });
    encode::bulk(out, b"id");
    encode::integer(out, session.number as i64);
    let mode = if config.pretend_cluster { "cluster" } else { "standalone" };
    for (key, value) in [("mode", mode), ("role", "master")] {
        encode::bulk(out, key.as_bytes());
        encode::bulk(out, value.as_bytes());
    }
    encode::bulk(out, b"modules");
    encode::array(out, 0);
}

/// Handles `CLIENT NO-EVICT ON|OFF` and `NO-TOUCH ON|OFF`, which concern memory that the proxy does not have.
fn on_off(word: Option<Argument<'_>>, out: &mut Vec<u8>) {
    let known = word.is_some_and(|word| word.is("on") || word.is("off"));
    out.extend_from_slice(if known { OK } else { b"-ERR syntax error\r\n" });
}

/// Answers `CLIENT TRACKINGINFO`: tracking is off.
fn tracking_info(version: Version, out: &mut Vec<u8>) {
    encode::map(out, 3, version);
    encode::bulk(out, b"flags");
    encode::set(out, 1, version);
    encode::bulk(out, b"off");
    encode::bulk(out, b"redirect");
    encode::integer(out, -1);
    encode::bulk(out, b"prefixes");
    encode::array(out, 0);
}

fn set_name(session: &mut Session, name: &[u8], out: &mut Vec<u8>) {
    match check_name(name) {
        Err(error) => out.extend_from_slice(&error),
        Ok(()) => {
            session.name = if name.is_empty() { None } else { Some(name.into()) };
            out.extend_from_slice(OK);
        }
    }
}

fn check_name(name: &[u8]) -> Result<(), Vec<u8>> {
    const ERROR: &[u8] = b"-ERR Client names cannot contain spaces, newlines or special characters.\r\n";
    let fits = name.iter().all(|byte| (b'!'..=b'~').contains(byte));
    if fits { Ok(()) } else { Err(ERROR.to_vec()) }
}
