//! One Sentinel: asked for its view of each master, and listened to.

use std::time::Duration;

use config::checked::Target;
use proxy::{MasterView, NodeAddress};
use telemetry::{info, warn};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until};
use wire::redis::sentinel::{self, SentinelNode, SentinelNodes};
use wire::url::host_port;

use super::report::{Pace, Report};
use crate::redis_client::{Login, RedisClient};

/// Time for a connection or an answer.
const PATIENCE: Duration = Duration::from_millis(500);
/// Shortest and longest wait before the next attempt to connect.
const RETRY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));
/// Events after which it is asked at once.
const EVENTS: [&str; 16] = [
    "SUBSCRIBE",
    "+switch-master",
    "+sdown",
    "-sdown",
    "+odown",
    "-odown",
    "+try-failover",
    "+elected-leader",
    "+failover-state-select-slave",
    "+selected-slave",
    "+failover-state-send-slaveof-noone",
    "+promoted-slave",
    "+failover-end",
    "+config-update-from",
    "+convert-to-slave",
    "+reboot",
];

/// A Sentinel of a pool, and what it is asked.
pub(super) struct Sentinel {
    pub(super) address: NodeAddress,
    pub(super) pool: String,
    pub(super) masters: Vec<String>,
    pub(super) login: Login,
    pub(super) pace: Pace,
    pub(super) reports: mpsc::Sender<Report>,
}

/// Asks and listens until it is aborted.
pub(super) async fn run(mut sentinel: Sentinel) {
    let name = host_port(&sentinel.address.0, sentinel.address.1);
    let (mut wait, mut told) = (RETRY.0, None);
    loop {
        let reason = match connect(&sentinel).await {
            Ok(clients) => {
                wait = RETRY.0;
                if told.take().is_some() {
                    info!(pool = %sentinel.pool, sentinel = %name, "Sentinel answers again");
                }
                serve(&mut sentinel, clients).await
            }
            Err(reason) => reason,
        };
        if sentinel.lost().await.is_err() {
            return;
        }
        if told.as_ref() != Some(&reason) {
            warn!(pool = %sentinel.pool, sentinel = %name, %reason, "Sentinel does not answer");
            told = Some(reason);
        }
        sleep(wait).await;
        wait = (wait * 2).min(RETRY.1);
    }
}

/// A connection for questions, one for events, and its id.
struct Clients {
    asked: RedisClient,
    events: RedisClient,
    id: String,
}

async fn connect(sentinel: &Sentinel) -> Result<Clients, String> {
    let ((host, port), login) = (sentinel.address.clone(), &sentinel.login);
    let target = Target::Tcp { host, port };
    let mut asked = RedisClient::connect(&target, login, PATIENCE).await?;
    let mut events = RedisClient::connect(&target, login, PATIENCE).await?;
    events.send(&[&EVENTS]).await?;
    let answers = asked.ask(&[&["SENTINEL", "MYID"]], PATIENCE).await?;
    // Unknown before Redis 6.2.
    let id = answers.first().and_then(|answer| sentinel::text(answer)).unwrap_or_default();
    Ok(Clients { asked, events, id })
}

/// Serves a connection until it is lost; returns the reason.
async fn serve(sentinel: &mut Sentinel, clients: Clients) -> String {
    let Clients { mut asked, mut events, id } = clients;
    loop {
        let begun = Instant::now();
        if let Err(reason) = ask(sentinel, &mut asked, &id).await {
            return reason;
        }
        loop {
            let pause = *sentinel.pace.borrow_and_update();
            tokio::select! {
                () = sleep_until(begun + pause) => break,
                changed = sentinel.pace.changed() => if changed.is_err() {
                    return "it is not asked any more".into();
                },
                event = events.next() => match event {
                    Ok(event) => if let Err(reason) = hear(sentinel, &event).await {
                        return reason;
                    },
                    Err(reason) => return format!("its events are lost: {reason}"),
                },
            }
        }
    }
}

/// Reports an event about a master, or that events are refused.
async fn hear(sentinel: &Sentinel, event: &[u8]) -> Result<(), String> {
    if event.starts_with(b"-") {
        return Err(format!("events refused: {}", String::from_utf8_lossy(event.trim_ascii())));
    }
    let names = |master: &&String| {
        let text = String::from_utf8_lossy(event);
        text.starts_with("*3\r\n$7\r\nmessage\r\n") && text.split_whitespace().any(|word| word == **master)
    };
    for master in sentinel.masters.iter().filter(names) {
        sentinel.report(Report::Event { master: master.clone() }).await?;
    }
    Ok(())
}

async fn ask(sentinel: &Sentinel, client: &mut RedisClient, id: &str) -> Result<(), String> {
    for master in &sentinel.masters {
        let answers = client
            .ask(
                &[
                    &["SENTINEL", "GET-MASTER-ADDR-BY-NAME", master],
                    &["SENTINEL", "MASTER", master],
                    // Its name before Redis 5, which newer ones know as well.
                    &["SENTINEL", "SLAVES", master],
                    &["SENTINEL", "SENTINELS", master],
                ],
                PATIENCE,
            )
            .await?;
        let [address, state, replicas, peers] = answers.as_slice() else {
            return Err("it answered too little".into());
        };
        if let Some(refusal) = answers.iter().find(|answer| is_refusal(answer)) {
            return Err(String::from_utf8_lossy(refusal.trim_ascii()).into_owned());
        }
        let view = sentinel::address(address).zip(sentinel::master(state));
        let SentinelNodes { nodes: replicas, left_out } = sentinel::nodes(replicas).unwrap_or_default();
        let address_of = |node: &SentinelNode| (node.host.clone(), node.port);
        let view = view.map(|(address, state)| MasterView {
            address,
            epoch: state.epoch,
            suspects: state.suspects,
            is_down: state.is_down,
            fails_over: state.fails_over,
            replicas: replicas.iter().map(address_of).collect(),
            fit: replicas.iter().filter(|replica| replica.is_fit).map(address_of).collect(),
        });
        let peers = sentinel::nodes(peers).unwrap_or_default().nodes;
        let (address, master, id) = (sentinel.address.clone(), master.clone(), id.to_owned());
        sentinel.report(Report::View { sentinel: address, id, master, view, left_out, peers }).await?;
    }
    Ok(())
}

/// True for an error that concerns the login, not a name it does not know.
fn is_refusal(answer: &[u8]) -> bool {
    [&b"-NOAUTH"[..], b"-NOPERM", b"-WRONGPASS"].iter().any(|code| answer.starts_with(code))
}

impl Sentinel {
    async fn report(&self, report: Report) -> Result<(), String> {
        self.reports.send(report).await.map_err(|_| "it is not asked any more".to_owned())
    }

    /// Reports that it does not answer.
    async fn lost(&self) -> Result<(), String> {
        self.report(Report::Lost { sentinel: self.address.clone() }).await
    }
}
