//! `ControlJobs` of the queue's shard, served on the control thread: client authorization (AUTH), channels of
//! a topic that lookups know, and registrations with nsqlookupds.
//!
//! The shard never blocks: it sends a job and continues; the answer comes back as mail. Jobs do not wait for
//! each other either, and their number is limited: see [`Outside`] for the shard's behaviour at the limit.

use std::net::SocketAddr;
use std::sync::Arc;

use access::Proof;
use config::checked::{AuthMethod, Queue};
use config::nsqd::{VERSION, machine};
use http::LoginDesk;
use http::client::{Client, Limits};
use net::Handle;
use queue::Mail;
use queue::auth::{Authenticator, Method};
use queue::authority::AuthQuery;
use queue::lookup_peers::{LookupPeers, Timing};
use queue::outside::{Asker, Notice, Outside};
use telemetry::warn;
use tokio::sync::Semaphore;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use wire::nsq::lookup::Node;

use super::control_job::{ControlJob, Outward};
use super::lookups::Lookups;
use super::quota::Quota;

/// Most jobs queued for the control thread.
const JOBS_MAX: usize = 16 * 1024;
/// Most clients waiting for their authorization, including clients already disconnected.
const AUTHORIZATIONS_MAX: usize = 16 * 1024;
/// Most concurrent requests to authorization servers; the other clients wait.
const AUTHORIZATIONS_AT_ONCE: usize = 256;
/// Most logins queued for a slow password verification; one is verified at a time.
const SLOW_LOGINS_MAX: usize = 64;
/// Most topics whose channels are queried at the same time.
const CHANNEL_QUESTIONS_MAX: usize = 1024;

/// The shard's end. Sending never blocks.
pub struct ControlThread {
    jobs: Sender<ControlJob>,
    lookups: Lookups,
    authorizations: Quota,
    channel_questions: Quota,
    logins: Quota,
    desk: Arc<LoginDesk>,
}

impl Outside for ControlThread {
    fn ask_authority(&mut self, asker: Asker, query: AuthQuery) -> bool {
        let Some(ticket) = self.authorizations.take() else { return false };
        self.jobs.try_send(ControlJob::Auth(asker, query, ticket)).is_ok()
    }

    fn verify(&mut self, asker: Asker, proof: Proof) -> bool {
        let Some(ticket) = self.logins.take() else { return false };
        self.jobs.try_send(ControlJob::Login(asker, proof, ticket)).is_ok()
    }

    fn notice(&mut self, notice: Notice) -> bool {
        self.jobs.try_send(ControlJob::Notice(notice)).is_ok()
    }

    fn ask_channels(&mut self, topic: &str) -> bool {
        if !self.lookups.any() {
            return false;
        }
        let Some(ticket) = self.channel_questions.take() else { return false };
        self.jobs.try_send(ControlJob::Channels(topic.into(), ticket)).is_ok()
    }

    fn login_failed(&mut self, user: &str, address: &str) {
        self.desk.report_failure("queue", user, address);
    }
}

/// The control thread's end.
pub struct ControlJobs {
    jobs: Receiver<ControlJob>,
    shard: Handle<Mail>,
    outward: Outward,
    lookups: Lookups,
}

/// Creates both ends; `tls` is for authorization servers, `desk` hears of failed logins.
pub fn connect(
    settings: &Queue,
    (tls, desk): (Option<Arc<rustls::ClientConfig>>, Arc<LoginDesk>),
    shard: Handle<Mail>,
    bound: Option<SocketAddr>,
    http_port: u16,
    own_lookup: Option<SocketAddr>,
) -> (ControlJobs, ControlThread, Lookups) {
    let (sender, jobs) = channel(JOBS_MAX);
    let lookups = Lookups::new(lookup_addresses(settings, own_lookup), sender.clone());
    let control = ControlThread {
        jobs: sender,
        lookups: lookups.clone(),
        authorizations: Quota::of(AUTHORIZATIONS_MAX),
        channel_questions: Quota::of(CHANNEL_QUESTIONS_MAX),
        logins: Quota::of(SLOW_LOGINS_MAX),
        desk,
    };
    let outward = outward(settings, tls, bound, http_port);
    let jobs = ControlJobs { jobs, shard, outward, lookups: lookups.clone() };
    (jobs, control, lookups)
}

/// Identity of the queue towards other services under these settings.
pub fn outward(
    settings: &Queue,
    tls: Option<Arc<rustls::ClientConfig>>,
    bound: Option<SocketAddr>,
    http_port: u16,
) -> Outward {
    let limits = Limits {
        connect_timeout: settings.http_client_connect_timeout,
        request_timeout: settings.http_client_request_timeout,
        ..Limits::default()
    };
    Outward {
        authenticator: Authenticator {
            servers: settings.auth_http_addresses.iter().map(|url| url.reveal().to_owned()).collect(),
            method: match settings.auth_http_request_method {
                AuthMethod::Get => Method::Get,
                AuthMethod::Post => Method::Post,
            },
            http: Client::new(limits, tls),
        },
        node: node(settings, bound, http_port),
        response_bytes_max: usize::try_from(settings.max_body_size).unwrap_or(usize::MAX),
    }
}

/// Lookups to register with, including that of our own process.
pub fn lookup_addresses(settings: &Queue, own: Option<SocketAddr>) -> Vec<String> {
    with_own(settings.lookupd_tcp_addresses.clone(), own, &settings.broadcast_address)
}

/// Adds the lookup of our own process, unless it is already listed under a name of this machine: registered
/// twice, the queue would appear twice in answers.
fn with_own(mut addresses: Vec<String>, own: Option<SocketAddr>, broadcast_address: &str) -> Vec<String> {
    let Some(own) = own else { return addresses };
    let (ip, hostname) = (own.ip().to_string(), machine::hostname());
    let names = ["localhost", "127.0.0.1", "::1", &ip, &hostname, broadcast_address];
    let is_own = |address: &String| {
        let (host, port) = address.rsplit_once(':').unwrap_or((address, ""));
        port.parse() == Ok(own.port()) && names.contains(&host.trim_matches(['[', ']']))
    };
    if !addresses.iter().any(is_own) {
        addresses.push(own.to_string());
    }
    addresses
}

/// Our identity for lookups. The ports are those listened on unless overridden for broadcast.
fn node(settings: &Queue, bound: Option<SocketAddr>, http: u16) -> Node {
    let listened = bound.map_or(0, |address| address.port());
    Node {
        broadcast_address: settings.broadcast_address.clone(),
        hostname: machine::hostname(),
        http_port: settings.advertised_http_port(http).into(),
        tcp_port: settings.advertised_tcp_port(listened).into(),
        topology_region: settings.topology_region.clone(),
        topology_zone: settings.topology_zone.clone(),
        version: VERSION.into(),
    }
}

impl ControlJobs {
    /// Serves jobs forever; dropping the task ends it, and its connections to lookups. Needs a tokio
    /// runtime; no job waits for another.
    pub async fn serve(mut self) {
        let Outward { authenticator, node, response_bytes_max } = self.outward;
        let mut authenticator = authenticator;
        let http = authenticator.http.clone();
        let mut peers = LookupPeers::new(node, Timing::default(), response_bytes_max, http);
        peers.set_addresses(&self.lookups.get());
        let at_once = Arc::new(Semaphore::new(AUTHORIZATIONS_AT_ONCE));
        let one_login = Arc::new(Semaphore::new(1));
        while let Some(job) = self.jobs.recv().await {
            let shard = self.shard.clone();
            match job {
                ControlJob::Notice(notice) => peers.notice(&notice),
                ControlJob::Lookups => peers.set_addresses(&self.lookups.get()),
                ControlJob::Configure(outward) => {
                    authenticator = outward.authenticator;
                    let http = authenticator.http.clone();
                    peers.set_node(outward.node, outward.response_bytes_max, http);
                }
                ControlJob::Auth(asker, query, ticket) => {
                    let (authenticator, at_once) = (authenticator.clone(), Arc::clone(&at_once));
                    tokio::spawn(async move {
                        let _turn = at_once.acquire().await;
                        let answer = authenticator.answer(query).await;
                        if let Err(reason) = &answer {
                            warn!(%reason, "no authorization server answered");
                        }
                        shard.send(Mail::Auth(asker, answer));
                        drop(ticket);
                    });
                }
                ControlJob::Login(asker, proof, ticket) => {
                    let turn = Arc::clone(&one_login);
                    tokio::spawn(async move {
                        let _turn = turn.acquire().await;
                        let verified = tokio::task::spawn_blocking(move || proof.verify()).await;
                        shard.send(Mail::Login(asker, verified.unwrap_or_default()));
                        drop(ticket);
                    });
                }
                ControlJob::Channels(topic, ticket) => {
                    let channels = peers.channels(&topic);
                    tokio::spawn(async move {
                        shard.send(Mail::KnownChannels(topic, channels.await));
                        drop(ticket);
                    });
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::with_own;

    #[test]
    fn the_lookup_of_the_own_process_is_registered_with_once() {
        let own = Some("127.0.0.1:4160".parse().unwrap());
        for (given, expected) in [
            ("", "127.0.0.1:4160"),
            ("other:4160", "other:4160 127.0.0.1:4160"),
            ("localhost:4160 other:4160", "localhost:4160 other:4160"),
            ("[::1]:4160", "[::1]:4160"),
            ("me.example:4160", "me.example:4160"),
            ("127.0.0.1:4161", "127.0.0.1:4161 127.0.0.1:4160"),
        ] {
            let addresses = given.split_whitespace().map(str::to_owned).collect();
            assert_eq!(with_own(addresses, own, "me.example").join(" "), expected, "{given}");
        }
        assert_eq!(with_own(Vec::new(), None, "me"), [""; 0]);
    }
}
