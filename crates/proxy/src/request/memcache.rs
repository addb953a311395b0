//! memcached requests: scanned, then answered here or forwarded, so that each has exactly one reply (see
//! [`wire::memcache`] on `noreply` and quiet mode).

use net::{Input, Io};
use telemetry::CommandClass;
use wire::memcache::{
    BadRequest, Cause, Command, KEY_BYTES_MAX, Limits, PLACEHOLDER_KEY, ReplyKind, Request, RequestScanner,
    Route, Scan, Silence, Span,
};

use crate::client::Client;
use crate::gate::{TOKEN_BYTES_MAX, UNAUTHENTICATED};
use crate::gather::Merge;
use crate::generation::Out;
use crate::keys::LaneKey;
use crate::proxy::Proxy;
use crate::request::admission::{To, Verdict, is_more};
use crate::request::forward::{Traits, hand_on};
use crate::request::{Frame, Partial, SHARE_MIN};
use crate::server::hits::Counted;
use crate::server::kept::Keep;

/// Key bytes above which a server gets a `get` line as several requests: memcached takes more than twice as
/// long for a line of twice the length.
const PART_BYTES_MAX: usize = 1 << 20;

/// The plan for a request. Planning changes nothing but scratch buffers.
enum Plan {
    /// One server answers it; None if no server is left.
    One(Option<LaneKey>),
    /// `get k1 k2 …`: cut into the parts in `scratch.parts`.
    Split,
    /// Sent unchanged to the servers in `scratch.parts`.
    Every,
    /// The proxy answers it.
    Here,
    /// It logs its client in.
    Login,
    /// Its client has to log in first.
    Unauthenticated,
    /// Its user lacks the right.
    Forbidden(access::Verdict),
    /// Not served: the error line.
    Refused(&'static str),
}

impl Proxy {
    pub(crate) fn receive_memcache<I: Io>(&mut self, io: &mut I, client: &mut Client, input: &mut Input<'_>) {
        let mut scanner = match client.partial.take().map(|p| *p) {
            Some(Partial::Memcache(scanner)) => scanner,
            _ => RequestScanner::new(),
        };
        let mut limits = self.memcache_limits(client);
        let mut authenticated = client.session.authenticated;
        let (mut requests, mut bytes) = (0u64, 0u64);
        loop {
            skip(client, input);
            if !is_more(client, input) {
                break;
            }
            let (len, taken) = match scanner.scan(input.bytes(), &limits) {
                Scan::Done(request) => {
                    (request.frame_len(), self.memcache_request(io, client, &request, input))
                }
                Scan::Bad(bad) => (0, self.answer_bad(io, client, &bad, input)),
                Scan::NeedMore { want } => {
                    client.partial = Some(Box::new(Partial::Memcache(scanner)));
                    self.read_on(io, client, input, want);
                    break;
                }
            };
            if !taken {
                break;
            }
            if authenticated != client.session.authenticated {
                authenticated = client.session.authenticated;
                limits = self.memcache_limits(client);
            }
            requests += 1;
            bytes += len as u64;
        }
        self.pools[client.pool].count_requests(requests, bytes);
    }

    /// Size limits of a client's requests; small before its login.
    fn memcache_limits(&self, client: &Client) -> Limits {
        if !client.session.authenticated {
            let value_bytes_max = TOKEN_BYTES_MAX;
            return Limits { value_bytes_max, get_line_bytes_max: TOKEN_BYTES_MAX, ..Limits::default() };
        }
        let request_bytes_max = self.pools[client.pool].config.request_bytes_max;
        Limits {
            value_bytes_max: request_bytes_max,
            get_line_bytes_max: get_line_max(request_bytes_max, self.budget.bytes()),
            ..Limits::default()
        }
    }

    /// Answers a malformed request with an error line, and closes the client where the stream is out of step.
    /// False if the client has to wait first.
    fn answer_bad<I: Io>(
        &mut self,
        io: &mut I,
        client: &mut Client,
        bad: &BadRequest,
        input: &Input<'_>,
    ) -> bool {
        let Verdict::Take = self.admit(io, client, To::Nobody, (0, input.bytes().len())) else {
            return false;
        };
        let stats = &self.pools[client.pool].stats;
        match bad.cause {
            Cause::Answered => stats.answered_here.inc(),
            Cause::LineTooLong | Cause::TooLarge => stats.oversized.inc(),
            _ => stats.protocol_errors.inc(),
        }
        if bad.close {
            stats.client_err.inc();
            client.session.leaving = true;
        }
        self.give(io, client, bad.reply);
        client.session.skip = bad.skip;
        true
    }

    /// Takes the request at the front of the input; false if it has to wait.
    fn memcache_request<I: Io>(
        &mut self,
        io: &mut I,
        client: &mut Client,
        request: &Request,
        input: &mut Input<'_>,
    ) -> bool {
        let (len, unread) = (request.frame_len(), input.bytes().len());
        let frame = &input.bytes()[..len];
        let plan = self.plan_memcache(client, request, frame);
        match self.admit(io, client, plan.to(), (len, unread)) {
            Verdict::Take => {}
            Verdict::Wait => return false,
            Verdict::Refuse(failure) => {
                self.refuse(io, client, failure, Silence::of(request));
                input.consume(len);
                return true;
            }
        }
        if client.session.limited && self.refuse_over_limit(io, client, Silence::of(request)) {
            input.consume(len);
            return true;
        }
        match plan {
            Plan::One(lane) => {
                hand_on(input, len, |frame| self.forward_memcache(io, client, lane, request, frame));
                return true;
            }
            Plan::Split => self.split_memcache(io, client, request, frame),
            Plan::Every => self.fan_out(io, client, request, frame),
            Plan::Here => {
                self.pools[client.pool].stats.answered_here.inc();
                match request.command() {
                    Command::Quit => client.session.leaving = true,
                    _ => self.give(io, client, b"MN\r\n"),
                }
            }
            Plan::Refused(line) => self.refuse_memcache(io, client, request, line),
            Plan::Login => {
                if !self.log_in_memcache(io, client, request, frame) {
                    return false;
                }
            }
            Plan::Unauthenticated => {
                self.pools[client.pool].stats.denied.inc();
                self.give(io, client, if request.noreply() { b"" } else { UNAUTHENTICATED });
            }
            Plan::Forbidden(verdict) => self.forbid_memcache(io, client, request, verdict),
        }
        input.consume(len);
        true
    }

    fn plan_memcache(&mut self, client: &Client, request: &Request, frame: &[u8]) -> Plan {
        let session = &client.session;
        if !session.authenticated {
            return match request.command() {
                Command::Set => Plan::Login,
                Command::Quit => Plan::Here,
                _ => Plan::Unauthenticated,
            };
        }
        if let Some(user) = &session.user
            && let verdict = judge(user, request, frame)
            && !verdict.is_allowed()
        {
            return Plan::Forbidden(verdict);
        }
        match request.row().route {
            Route::EachKey if request.key_count() > 1 => self.plan_keys(client, request, frame),
            Route::Key | Route::EachKey => {
                let mut buffer = [0; KEY_BYTES_MAX];
                Plan::One(self.lane_of_key(client, request.routing_key(frame, &mut buffer)))
            }
            Route::OneServer => Plan::One(self.lane_of_key(client, PLACEHOLDER_KEY)),
            // Ejected ones included: `flush_all` must not miss one.
            Route::EveryServer => {
                self.list_servers(client, |server| server.by_hand.out != Some(Out::Drained));
                if self.scratch.parts.is_empty() { Plan::One(None) } else { Plan::Every }
            }
            Route::OnlyServer(line) => match self.pools[client.pool].servers[..] {
                [only] => Plan::One(Some(self.servers[only].lane_of(client))),
                _ => Plan::Refused(line),
            },
            Route::Here => Plan::Here,
            Route::Refused(line) => Plan::Refused(line),
        }
    }

    /// Redis' error text in memcached's form, since memcached has none.
    #[cold]
    fn forbid_memcache<I: Io>(
        &mut self,
        io: &mut I,
        client: &mut Client,
        request: &Request,
        verdict: access::Verdict,
    ) {
        self.pools[client.pool].stats.denied.inc();
        let error = match verdict {
            access::Verdict::Key => {
                "CLIENT_ERROR this user has no permissions to access one of the keys used as arguments\r\n"
                    .to_owned()
            }
            _ => {
                let name = request.row().name;
                format!("CLIENT_ERROR this user has no permissions to run the '{name}' command\r\n")
            }
        };
        let silent = request.noreply();
        self.give(io, client, if silent { b"" } else { error.as_bytes() });
    }

    /// Plans `get k1 k2 …`: one request per server, with its keys in the client's order; several for many
    /// keys.
    fn plan_keys(&mut self, client: &Client, request: &Request, frame: &[u8]) -> Plan {
        if self.sort_keys(client, request.keys(frame).map(|key| key.of(frame))).is_none() {
            return Plan::One(None);
        }
        if frame.len() > PART_BYTES_MAX {
            self.cut_parts(request.keys(frame).map(Span::len), PART_BYTES_MAX);
        }
        match self.scratch.parts[..] {
            [only] => Plan::One(only.lane),
            _ => Plan::Split,
        }
    }

    fn forward_memcache<I: Io>(
        &mut self,
        io: &mut I,
        client: &mut Client,
        lane: Option<LaneKey>,
        request: &Request,
        frame: Frame<'_>,
    ) {
        let traits = traits(request);
        // The embedded cache handles noreply and quiet mode itself.
        let local = lane.is_some_and(|lane| self.servers[lane.server].is_local());
        if local || request.is_verbatim() {
            return self.forward_one(io, client, lane, frame, traits);
        }
        let mut rewritten = std::mem::take(&mut self.scratch.request);
        rewritten.clear();
        for slice in request.forward(frame.bytes()) {
            rewritten.extend_from_slice(slice);
        }
        self.forward_one(io, client, lane, Frame::Slice(&rewritten), traits);
        rewritten.shrink_to(SHARE_MIN);
        self.scratch.request = rewritten;
    }

    /// Sends the parts that [`Proxy::plan_keys`] has found.
    fn split_memcache<I: Io>(&mut self, io: &mut I, client: &mut Client, request: &Request, frame: &[u8]) {
        let gather = self.open_gather(io, client, Merge::Values);
        let count = self.scratch.parts.len();
        let mut requests = self.take_requests(count);
        for part in &mut requests[..count] {
            part.extend_from_slice(request.head(frame));
        }
        let record = self.gathers.get_mut(gather);
        for (n, key) in request.keys(frame).map(|key| key.of(frame)).enumerate() {
            record.keys.0.extend_from_slice(key);
            record.keys.1.push(record.keys.0.len() as u32);
            let part = &mut requests[record.order[n] as usize];
            part.extend_from_slice(key);
            part.push(b' ');
        }
        self.gathers.recount(gather);
        for (n, part) in requests.iter_mut().enumerate().take(count) {
            part.pop();
            part.extend_from_slice(b"\r\n");
            let mut traits = traits(request);
            traits.expect.keys = self.scratch.parts[n].keys;
            traits.keep.asked = Span { start: request.head(frame).len() as u32, end: part.len() as u32 - 2 };
            self.forward_part(io, client, (gather, n as u16), Frame::Slice(part), traits);
        }
        self.give_requests(requests);
    }

    /// Sends the request to every server in `scratch.parts`.
    fn fan_out<I: Io>(&mut self, io: &mut I, client: &mut Client, request: &Request, frame: &[u8]) {
        let merge = match request.row().merge {
            wire::memcache::Merge::Stats => Merge::Stats,
            _ => Merge::OkLine,
        };
        let gather = self.open_gather(io, client, merge);
        self.gathers.get_mut(gather).silent = request.noreply();
        let whole = request.forward(frame).concat();
        self.forward_parts(io, client, gather, Frame::Slice(&whole), traits(request));
    }
}

impl Plan {
    fn to(&self) -> To {
        match self {
            Plan::One(Some(lane)) => To::One(*lane),
            Plan::Split | Plan::Every => To::Parts,
            Plan::One(None)
            | Plan::Here
            | Plan::Refused(_)
            | Plan::Login
            | Plan::Unauthenticated
            | Plan::Forbidden(_) => To::Nobody,
        }
    }
}

/// The verdict on a user's request, with all of its keys checked.
fn judge(user: &access::User, request: &Request, frame: &[u8]) -> access::Verdict {
    let Some((command, side)) = request.judged() else { return access::Verdict::Allowed };
    match request.key_count() {
        0 => user.permits(command, None, side),
        1 => {
            let mut buffer = [0; KEY_BYTES_MAX];
            user.permits(command, Some(request.routing_key(frame, &mut buffer)), side)
        }
        _ => {
            let verdicts = request.keys(frame).map(|key| user.permits(command, Some(key.of(frame)), side));
            verdicts.into_iter().find(|verdict| !verdict.is_allowed()).unwrap_or(access::Verdict::Allowed)
        }
    }
}

/// Longest line of a `get` or `gets`, which memcached does not limit. A split request has its keys in memory
/// several times, and its offsets are 32 bits.
fn get_line_max(request_bytes_max: usize, budget: usize) -> usize {
    request_bytes_max.min((budget / 16).max(PART_BYTES_MAX)).min(1 << 31)
}

/// Discards the rest of a refused request.
fn skip(client: &mut Client, input: &mut Input<'_>) {
    let now = client.session.skip.min(input.bytes().len() as u64);
    input.consume(now as usize);
    client.session.skip -= now;
}

fn traits(request: &Request) -> Traits {
    Traits {
        keep: Keep { safe: request.retry_safe(), asked: request.asked(), whole: false },
        expect: request.expect(),
        silence: Silence::of(request),
        counted: Counted { class: class_of(request.expect().kind), is_of_many: false },
    }
}

/// Class of the commands whose replies have this form.
fn class_of(kind: ReplyKind) -> CommandClass {
    match kind {
        ReplyKind::Values | ReplyKind::ValuesCas | ReplyKind::MetaGet | ReplyKind::MetaDebug => {
            CommandClass::Read
        }
        ReplyKind::Stored
        | ReplyKind::Number
        | ReplyKind::Touched
        | ReplyKind::Deleted
        | ReplyKind::MetaSet
        | ReplyKind::MetaDelete
        | ReplyKind::MetaArithmetic => CommandClass::Write,
        ReplyKind::Ok
        | ReplyKind::Version
        | ReplyKind::Stats
        | ReplyKind::Reset
        | ReplyKind::MetaNoop
        | ReplyKind::AnyText
        | ReplyKind::Never => CommandClass::Other,
    }
}

#[cfg(test)]
mod tests {
    use net::{App, Peer};

    use super::*;
    use crate::testing::{FakeIo, World, proxy};

    const POOL: &str = "[pool.p]\nlisten = \"127.0.0.1:1\"\nprotocol = \"memcache\"\nhash = \"fnv1a_64\"\n\
                        distribution = \"modula\"\nservers = [\"127.0.0.1:11:1 a\", \"127.0.0.1:12:1 b\"]\n";

    #[test]
    fn a_place_in_the_longest_line_fits_into_32_bits() {
        for budget in [0, 1 << 30, 1 << 37, usize::MAX] {
            assert!(u32::try_from(get_line_max(usize::MAX, budget)).is_ok(), "{budget}");
        }
    }

    #[test]
    fn a_large_write_without_reply_that_finds_a_full_queue_is_sent_once_and_so_is_the_next_request() {
        let one = POOL.replace(", \"127.0.0.1:12:1 b\"", "");
        let mut w = World::with_budget(&format!("{one}server_queue_max = 1\n"), 64 << 20);
        w.ask(b"get a\r\n");
        let server = w.server(0);
        let write = |noreply: &str| format!("set k 0 0 70000{noreply}\r\n{}\r\n", "x".repeat(70_000));
        let requests = [&write(" noreply"), "get b\r\n"].concat();
        let client = w.accept(0);
        assert_eq!((w.receive(client, requests.as_bytes()), &w.io.paused[..]), (0, &[client][..]));
        w.receive(server, b"END\r\n");
        w.receive_in_pieces(client, requests.as_bytes(), requests.len());
        w.receive(server, b"STORED\r\n");
        w.receive(client, b"get b\r\n");
        assert!(w.sent(server) == ["get a\r\n", &write(""), "get b\r\n"].concat());
        w.receive(server, b"END\r\n");
        assert_eq!(w.sent(client), "END\r\n");
    }

    #[test]
    fn a_get_line_over_a_mebibyte_is_answered_in_the_order_of_its_keys() {
        let mut io = FakeIo::default();
        let mut proxy = crate::testing::proxy_with_budget(&mut io, POOL, 64 << 20);
        let keys: Vec<String> = (0..300_000).map(|n| format!("key{n}")).collect();
        let line = format!("get {}\r\n", keys.join(" "));
        assert!((2 << 20..4 << 20).contains(&line.len()));
        let client = io.open();
        proxy.accepted(&mut io, 0, client, Peer::Unix);
        let mut input = Input::scratch(line.as_bytes());
        proxy.received(&mut io, client, &mut input);
        assert_eq!(input.outcome().0, line.len());
        let servers = [io.connects[0].0, io.connects[1].0];
        for server in servers {
            proxy.connected(&mut io, server);
            let lines = String::from_utf8(io.sent(server).to_vec()).expect("text");
            assert!(lines.len() > 1 << 20 && lines.lines().all(|line| line.len() <= (1 << 20) + 4));
            // Every thousandth key exists.
            let replies = lines.lines().flat_map(|line| {
                let there = line.split(' ').skip(1).filter(|key| key.ends_with("000"));
                there.map(|key| format!("VALUE {key} 0 1\r\nx\r\n")).chain(["END\r\n".to_owned()])
            });
            let replies: String = replies.collect();
            proxy.received(&mut io, server, &mut Input::scratch(replies.as_bytes()));
        }
        let there = keys.iter().filter(|key| key.ends_with("000"));
        let right: String = there.map(|key| format!("VALUE {key} 0 1\r\nx\r\n")).collect();
        assert!(io.sent(client) == format!("{right}END\r\n").as_bytes());
    }

    #[test]
    fn figures_of_one_server_come_from_a_pool_with_one_server() {
        let one = POOL.replace(", \"127.0.0.1:12:1 b\"", "");
        let asked = b"stats settings\r\nstats items\r\nstats slabs\r\nstats sizes\r\nstats reset\r\nstats detail on\r\n";
        let mut io = FakeIo::default();
        let mut several = proxy(&mut io, POOL);
        let client = io.open();
        several.accepted(&mut io, 0, client, Peer::Unix);
        several.received(&mut io, client, &mut Input::scratch(asked));
        let refused =
            io.sent(client).split(|byte| *byte == b'\n').filter(|line| line.starts_with(b"CLIENT_ERROR"));
        assert_eq!((refused.count(), io.connects.len()), (6, 0));

        let mut only = proxy(&mut io, &one);
        let client = io.open();
        only.accepted(&mut io, 0, client, Peer::Unix);
        only.received(&mut io, client, &mut Input::scratch(asked));
        let server = io.connects[0].0;
        only.connected(&mut io, server);
        assert!(asked.starts_with(io.sent(server)) && io.sent(server).ends_with(b"reset\r\n"));
        let figures = b"STAT maxconns 1024\r\nEND\r\nSTAT items:1:number 1\r\nEND\r\nSTAT active_slabs 0\r\nEND\r\nEND\r\nRESET\r\n";
        only.received(&mut io, server, &mut Input::scratch(figures));
        let said = io.sent(client).strip_prefix(&figures[..]).expect("as the server");
        assert!(said.starts_with(b"CLIENT_ERROR stats with this argument"));
    }

    #[test]
    fn a_get_line_is_limited_by_the_memory_there_is() {
        for (len, refused) in [(1 << 20, false), ((1 << 20) + 1, true)] {
            let mut io = FakeIo::default();
            let mut proxy = proxy(&mut io, POOL);
            let client = io.open();
            proxy.accepted(&mut io, 0, client, Peer::Unix);
            let line = format!("get a{}b\r\n", " ".repeat(len - 7));
            proxy.received(&mut io, client, &mut Input::scratch(line.as_bytes()));
            let text = if refused { &b"CLIENT_ERROR line too long\r\n"[..] } else { b"" };
            assert_eq!(io.sent(client), text, "{len}");
        }
    }
}
