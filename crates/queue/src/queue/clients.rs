//! Clients: connecting, reading commands, heartbeats, closing.

use net::{ConnId, Input, Instant, Io, LayerInfo, Peer};
use wire::nsq::identify::Upgrades;
use wire::nsq::{Magic, Refusal, Scan, frame, magic};

use super::{Queue, Timer, token};
use crate::command::Flow;
use crate::connection::{Connection, Holdup, Owed};
use crate::options::Authority;

/// Owed answers above which a client's next command waits.
const OWED_MAX: usize = 1024;
/// Unsent bytes of answers above which a client's next command waits.
const UNSENT_MAX: usize = 1 << 20;

impl Queue {
    pub(super) fn accept<I: Io>(&mut self, io: &mut I, conn: ConnId, peer: Peer) {
        let max = self.settings().max_connections as usize;
        if self.stopping || (max > 0 && self.client_count >= max) {
            telemetry::warn!(%peer, max, "connection refused: too many connections");
            io.abort(conn);
            return;
        }
        let now = self.now();
        let mut client = Box::new(Connection::new(
            conn,
            peer,
            self.limits,
            self.terms.settings(),
            now,
            self.clock.wall.0 / 1_000_000_000,
        ));
        client.timer = Some(io.set_timer(now + self.settings().magic_timeout, heartbeat_token(conn)));
        let index = conn.index as usize;
        if self.clients.len() <= index {
            self.clients.resize_with(index + 1, || None);
        }
        self.clients[index] = Some(client);
        self.client_count += 1;
    }

    /// Takes a client out of the table while it is worked on.
    pub(crate) fn take_client(&mut self, conn: ConnId) -> Option<Box<Connection>> {
        let place = self.clients.get_mut(conn.index as usize)?;
        if place.as_ref()?.id == conn { place.take() } else { None }
    }

    /// Puts a client back in the table.
    pub(crate) fn put_client(&mut self, client: Box<Connection>) {
        let index = client.id.index as usize;
        self.clients[index] = Some(client);
    }

    pub(super) fn client_mut(&mut self, conn: ConnId) -> Option<&mut Connection> {
        self.clients.get_mut(conn.index as usize)?.as_deref_mut().filter(|client| client.id == conn)
    }

    pub(super) fn receive<I: Io>(&mut self, io: &mut I, conn: ConnId, input: &mut Input<'_>) {
        let Some(mut client) = self.take_client(conn) else { return };
        let open = self.read_commands(io, &mut client, input);
        if open {
            self.put_client(client);
        } else {
            self.close_client(io, client);
        }
    }

    /// Runs the commands that have arrived. False once the connection is to be closed and no answer is owed.
    fn read_commands<I: Io>(&mut self, io: &mut I, client: &mut Connection, input: &mut Input<'_>) -> bool {
        if !client.greeted && !self.greet(io, client, input) {
            return !client.owed.is_closing();
        }
        while client.holdup.is_none() && !client.owed.is_closing() {
            if let Some(topic) = client.batch_topic.take() {
                match self.begin_mpub(io, client, &topic) {
                    Flow::Close => Self::close_after_owed(io, client),
                    Flow::Again => io.pause(client.id),
                    _ => {}
                }
                if client.holdup.is_some() || client.owed.is_closing() {
                    break;
                }
            }
            let gate = client.gate(self.settings().tls_required());
            let flow = match client.scanner.scan(input.bytes(), &client.limits, gate) {
                Scan::NeedMore { want } => {
                    input.want(want);
                    return true;
                }
                Scan::Topic(topic) => self.begin_mpub(io, client, topic),
                Scan::Done { command, len } => {
                    let flow = self.carry_out(io, client, command);
                    client.heard = self.now();
                    if flow != Flow::Again {
                        input.consume(len);
                    }
                    flow
                }
                Scan::Bad(refusal) => {
                    self.refuse(io, client, &refusal);
                    Flow::Close
                }
                Scan::LineTooLong => Flow::Close,
            };
            match flow {
                Flow::Leave => return true,
                Flow::Next => Self::hold_if_owed(io, client),
                Flow::Hold | Flow::Again => io.pause(client.id),
                Flow::Close => Self::close_after_owed(io, client),
            }
        }
        if client.owed.is_closing() {
            input.consume(input.bytes().len());
            return client.owed.len() > 1;
        }
        true
    }

    /// Reads the magic. True once it has arrived.
    fn greet<I: Io>(&mut self, io: &mut I, client: &mut Connection, input: &mut Input<'_>) -> bool {
        match magic(input.bytes()) {
            Magic::NeedMore => {
                input.want(4);
                false
            }
            Magic::V2 => {
                input.consume(4);
                client.greeted = true;
                client.heard = self.now();
                self.start_heartbeat(io, client);
                true
            }
            Magic::Bad => {
                self.refuse(io, client, &Refusal::Protocol);
                Self::close_after_owed(io, client);
                input.consume(input.bytes().len());
                false
            }
        }
    }

    /// Sends an answer, or queues it behind the owed ones.
    pub(crate) fn reply<I: Io>(&mut self, io: &mut I, client: &mut Connection, data: &[u8]) {
        self.scratch.clear();
        frame::write_response(&mut self.scratch, data);
        self.answer(io, client);
    }

    /// Sends an error, or queues it behind the owed answers. Does not close the connection.
    pub(crate) fn refuse<I: Io>(&mut self, io: &mut I, client: &mut Connection, refusal: &Refusal<'_>) {
        self.scratch.clear();
        frame::write_error(&mut self.scratch, refusal);
        self.answer(io, client);
    }

    fn answer<I: Io>(&mut self, io: &mut I, client: &mut Connection) {
        if client.owed.is_empty() {
            io.send(client.id, &self.scratch);
        } else {
            client.owed.push(Owed::Frame(self.scratch.clone()));
        }
    }

    /// Throttles a client that is owed too many answers or does not read its output.
    fn hold_if_owed<I: Io>(io: &mut I, client: &mut Connection) {
        if client.holdup.is_some() {
            return;
        }
        if client.owed.len() >= OWED_MAX || io.unsent(client.id) >= UNSENT_MAX {
            client.holdup = Some(Holdup::Owed);
            io.pause(client.id);
            io.notify_drained(client.id);
        }
    }

    /// Stops reading; closes once the owed answers are sent.
    pub(crate) fn close_after_owed<I: Io>(io: &mut I, client: &mut Connection) {
        if !client.owed.is_closing() {
            client.owed.push(Owed::Close);
            io.pause(client.id);
        }
    }

    /// Sends the answers that are known. The client is then put back in the table, or closed.
    pub(super) fn pay<I: Io>(&mut self, io: &mut I, conn: ConnId) {
        let Some(mut client) = self.take_client(conn) else { return };
        client.listed.clear();
        self.scratch.clear();
        let close = client.owed.pay(&mut self.scratch);
        if !self.scratch.is_empty() {
            io.send(conn, &self.scratch);
        }
        if close {
            self.close_client(io, client);
            return;
        }
        if client.holdup == Some(Holdup::Owed) && client.owed.len() < OWED_MAX {
            client.holdup = None;
            io.resume(conn);
        }
        self.put_client(client);
    }

    /// Writes queued output, closes, and forgets the client.
    pub(crate) fn close_client<I: Io>(&mut self, io: &mut I, client: Box<Connection>) {
        let conn = client.id;
        self.detach(io, *client);
        io.finish(conn);
    }

    /// Forgets a client whose connection was lost.
    pub(super) fn forget_client<I: Io>(&mut self, io: &mut I, conn: ConnId) {
        if let Some(client) = self.take_client(conn) {
            self.detach(io, *client);
        }
    }

    /// Closes at once, without an error.
    pub(super) fn drop_client<I: Io>(&mut self, io: &mut I, conn: ConnId) {
        if let Some(client) = self.take_client(conn) {
            self.detach(io, *client);
            io.abort(conn);
        }
    }

    fn detach<I: Io>(&mut self, io: &mut I, client: Connection) {
        self.client_count -= 1;
        if let Some(timer) = client.timer {
            io.cancel_timer(timer);
        }
        for subscription in [client.subscription, client.former].into_iter().flatten() {
            self.unsubscribe(subscription);
        }
    }

    pub(super) fn client_ended<I: Io>(&mut self, io: &mut I, conn: ConnId) {
        let Some(mut client) = self.take_client(conn) else { return };
        if client.greeted
            && client.holdup.is_none()
            && !client.owed.is_closing()
            && let Some(refusal) = client.scanner.ended()
        {
            self.refuse(io, &mut client, &refusal);
        }
        Self::close_after_owed(io, &mut client);
        if client.owed.len() > 1 {
            self.put_client(client);
        } else {
            self.close_client(io, client);
        }
    }

    pub(super) fn client_drained<I: Io>(&mut self, io: &mut I, conn: ConnId) {
        let Some(client) = self.client_mut(conn) else { return };
        if client.holdup == Some(Holdup::Owed) && client.owed.len() < OWED_MAX {
            client.holdup = None;
            io.resume(conn);
        }
        if let Some(subscription) = client.subscription {
            self.unblock(subscription);
            self.wake(io);
        }
    }

    /// Restarts the heartbeat timer with the negotiated interval.
    pub(crate) fn start_heartbeat<I: Io>(&mut self, io: &mut I, client: &mut Connection) {
        if let Some(timer) = client.timer.take() {
            io.cancel_timer(timer);
        }
        if let Some(interval) = client.settings.heartbeat_ms {
            let at = self.now() + std::time::Duration::from_millis(interval);
            client.timer = Some(io.set_timer(at, heartbeat_token(client.id)));
        }
    }

    /// Sends a due heartbeat and checks that the client is alive. As in nsqd, a client is disconnected when
    /// it has not completed a command for two intervals, or has not read its output for one. A client in the
    /// middle of a body gets an error that says what is missing.
    pub(super) fn heartbeat<I: Io>(&mut self, io: &mut I, index: u32, generation: u32) {
        let now = self.now();
        let Some(conn) = self.id_of(index, generation) else { return };
        let Some(client) = self.client_mut(conn) else { return };
        client.timer = None;
        if !client.greeted {
            self.drop_client(io, conn);
            return;
        }
        let Some(interval) = client.settings.heartbeat_ms.map(std::time::Duration::from_millis) else {
            return;
        };
        if matches!(
            client.holdup,
            Some(
                Holdup::Handshake(_)
                    | Holdup::Auth
                    | Holdup::Renewal
                    | Holdup::Login
                    | Holdup::Limit
                    | Holdup::Engine
            )
        ) {
            client.heard = now;
        }
        let silent = now.since(client.heard) >= interval * 2;
        let unsent = io.unsent(conn) > 0;
        let stalled = unsent && client.stalled;
        client.stalled = unsent;
        if stalled {
            self.drop_client(io, conn);
            return;
        }
        client.timer = Some(io.set_timer(now + interval, heartbeat_token(conn)));
        self.scratch.clear();
        frame::write_response(&mut self.scratch, frame::HEARTBEAT);
        io.send(conn, &self.scratch);
        if silent && let Some(mut client) = self.take_client(conn) {
            if let Some(refusal) = client.scanner.ended() {
                self.refuse(io, &mut client, &refusal);
            }
            self.close_client(io, client);
        }
    }

    /// Arms a timer to read a throttled client again.
    pub(crate) fn wake_client<I: Io>(io: &mut I, conn: ConnId, at: Instant) {
        io.set_timer(at, token(Timer::Limit, conn.index, conn.generation));
    }

    /// Resumes reading a throttled client.
    pub(super) fn resume_client<I: Io>(&mut self, io: &mut I, index: u32, generation: u32) {
        let Some(conn) = self.id_of(index, generation) else { return };
        if let Some(client) = self.client_mut(conn)
            && client.holdup == Some(Holdup::Limit)
        {
            client.holdup = None;
            io.resume(conn);
        }
    }

    fn id_of(&self, index: u32, generation: u32) -> Option<ConnId> {
        let client = self.clients.get(index as usize)?.as_ref()?;
        (client.id.generation & 0xfff_ffff == generation).then_some(client.id)
    }

    /// Completes the TLS handshake: sends OK inside TLS, then enables compression.
    pub(super) fn handshake_done<I: Io>(&mut self, io: &mut I, conn: ConnId, info: LayerInfo) {
        let Some(mut client) = self.take_client(conn) else { return };
        if let Some(Holdup::Handshake(upgrades)) = client.holdup {
            client.holdup = None;
            client.tls = Some(info);
            client.upgrades.tls = true;
            if self.authority == Authority::Users {
                self.log_in_by_certificate(&mut client);
            }
            self.reply(io, &mut client, frame::OK);
            self.compress(io, &mut client, upgrades);
        }
        self.put_client(client);
    }

    /// Enables the negotiated compression, if any.
    pub(crate) fn compress<I: Io>(&mut self, io: &mut I, client: &mut Connection, granted: Upgrades) -> bool {
        let layer = match granted {
            Upgrades { snappy: true, .. } => net::Layer::Snappy,
            Upgrades { deflate: true, deflate_level, .. } => net::Layer::Deflate(deflate_level),
            _ => {
                client.upgrades = Upgrades { tls: client.upgrades.tls, ..granted };
                return false;
            }
        };
        client.upgrades = Upgrades { tls: client.upgrades.tls, ..granted };
        io.push_layer(client.id, layer);
        self.reply(io, client, frame::OK);
        true
    }
}

fn heartbeat_token(conn: ConnId) -> u64 {
    token(Timer::Heartbeat, conn.index, conn.generation)
}
