//! AUTH, and the rights it gives.
//!
//! The answer comes from the control thread; only this connection waits for it. An expired grant is renewed
//! when it is next needed, as in nsqd; the command that needs it waits.

use net::{ConnId, Io};
use wire::nsq::{Refusal, Verb};

use super::Flow;
use crate::authority::{Access, AuthAnswer, AuthQuery};
use crate::connection::{Authorization, Connection, Holdup, host_of};
use crate::options::Authority;
use crate::outside::Asker;
use crate::queue::Queue;

/// Decision on a client's command.
pub(super) enum Rights<'a> {
    /// It is allowed.
    Granted,
    /// Not known yet; the connection is held up.
    Wait,
    /// It is refused.
    Refused(Refusal<'a>),
}

impl Queue {
    pub(super) fn auth<I: Io>(&mut self, io: &mut I, client: &mut Connection, secret: &[u8]) -> Flow {
        let is_set = client.login.as_ref().is_some_and(|login| !login.by_certificate);
        if client.authorization.is_some() || is_set {
            return self.fail(io, client, &Refusal::AuthAlreadySet);
        }
        match self.authority() {
            Authority::Nobody => return self.fail(io, client, &Refusal::AuthDisabled),
            Authority::Users => return self.log_in(io, client, secret),
            Authority::Server => {}
        }
        client.pending_secret = secret.to_vec().into();
        if !self.ask_authority(client) {
            return self.fail(io, client, &Refusal::AuthFailed);
        }
        client.holdup = Some(Holdup::Auth);
        Flow::Hold
    }

    /// Checks a client's rights.
    #[inline]
    pub(super) fn check_rights<'a, I: Io>(
        &mut self,
        io: &mut I,
        client: &mut Connection,
        verb: Verb,
        access: Access,
        topic: &'a str,
        channel: &'a str,
    ) -> Rights<'a> {
        match self.authority() {
            Authority::Nobody => Rights::Granted,
            Authority::Users => self.check_user(io, client, verb, access, topic, channel),
            Authority::Server => self.check_grant(client, verb, access, topic, channel),
        }
    }

    /// Checks what an authorization server has granted; an expired grant is renewed first.
    #[inline(never)]
    fn check_grant<'a>(
        &mut self,
        client: &mut Connection,
        verb: Verb,
        access: Access,
        topic: &'a str,
        channel: &'a str,
    ) -> Rights<'a> {
        let Some(authorization) = &client.authorization else {
            return Rights::Refused(Refusal::AuthFirst(verb));
        };
        if authorization.expires <= self.clock().now {
            client.pending_secret.clone_from(&authorization.secret);
            if !self.ask_authority(client) {
                return Rights::Refused(Refusal::AuthFailed);
            }
            client.holdup = Some(Holdup::Renewal);
            return Rights::Wait;
        }
        if authorization.grant.allows(access, topic, channel) {
            Rights::Granted
        } else {
            Rights::Refused(Refusal::Unauthorized(verb, topic, channel))
        }
    }

    /// Requests a client's rights. False if too many requests are pending: the client is then refused, as
    /// when no server answers.
    fn ask_authority(&mut self, client: &Connection) -> bool {
        let query = AuthQuery {
            remote_ip: host_of(client.peer),
            tls: client.tls.is_some(),
            common_name: client.tls.as_ref().map(|tls| tls.client_common_name.clone()).unwrap_or_default(),
            secret: client.pending_secret.clone(),
        };
        let asked = self.outside().ask_authority(Asker(client.id), query);
        if !asked {
            telemetry::warn!(peer = %client.peer, "authorization refused: too many requests to authorization servers");
        }
        asked
    }

    /// Handles the authority's answer.
    pub(crate) fn auth_answered<I: Io>(&mut self, io: &mut I, conn: ConnId, answer: AuthAnswer) {
        let Some(mut client) = self.take_client(conn) else { return };
        let first = match client.holdup {
            Some(Holdup::Auth) => true,
            Some(Holdup::Renewal) => false,
            _ => return self.put_client(client),
        };
        client.holdup = None;
        let settled = self.settle_authorization(&mut client, answer);
        match settled {
            Ok(()) if first => self.tell_identity(io, &mut client),
            Ok(()) => {}
            Err(refusal) => {
                self.refuse(io, &mut client, &refusal);
                Self::close_after_owed(io, &mut client);
            }
        }
        self.go_on(io, client);
    }

    /// Resumes a client whose login was pending.
    pub(crate) fn go_on<I: Io>(&mut self, io: &mut I, client: Box<Connection>) {
        if client.owed.is_closing() && client.owed.len() == 1 {
            self.close_client(io, client);
            return;
        }
        if !client.owed.is_closing() {
            io.resume(client.id);
        }
        self.put_client(client);
    }

    fn settle_authorization(
        &mut self,
        client: &mut Connection,
        answer: AuthAnswer,
    ) -> Result<(), Refusal<'static>> {
        let secret = std::mem::take(&mut client.pending_secret);
        let grant = answer.map_err(|why| {
            telemetry::warn!(peer = %client.peer, why, "authorization failed");
            Refusal::AuthFailed
        })?;
        if grant.permission_count() == 0 {
            return Err(Refusal::AuthNothing);
        }
        let expires = self.clock().now + grant.ttl();
        client.authorization = Some(Authorization { secret, grant, expires });
        Ok(())
    }

    fn tell_identity<I: Io>(&mut self, io: &mut I, client: &mut Connection) {
        let Some(authorization) = &client.authorization else { return };
        let text = |text: &str| serde_json::to_string(text).unwrap_or_default();
        let answer = format!(
            "{{\"identity\":{},\"identity_url\":{},\"permission_count\":{}}}",
            text(authorization.grant.identity()),
            text(authorization.grant.identity_url()),
            authorization.grant.permission_count()
        );
        self.reply(io, client, answer.as_bytes());
    }
}
