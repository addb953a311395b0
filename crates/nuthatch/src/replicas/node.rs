//! One node, asked for its replication again and again on a connection that is kept.

use std::time::Duration;

use config::checked::Target;
use proxy::ReplicaNode;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use wire::redis::replication::{Replication, availability_zone, replication};

use crate::redis_client::{Login, RedisClient};

/// Time for an answer.
const PATIENCE: Duration = Duration::from_millis(500);

/// A node's report.
#[derive(Debug)]
pub(super) struct Report {
    /// Name of the server.
    pub(super) node: String,
    /// Time of the question.
    pub(super) asked: Instant,
    /// Its replication and the time that the answer took; None if it does not answer.
    pub(super) answer: Option<(Replication, Duration)>,
    /// The connection is new, and the zone was asked for as well.
    pub(super) is_new: bool,
    /// Its zone, if it names one.
    pub(super) zone: Option<String>,
}

/// Asks until it is aborted.
pub(super) async fn run(node: ReplicaNode, login: Login, interval: Duration, reports: mpsc::Sender<Report>) {
    let mut client = None;
    loop {
        let begun = Instant::now();
        let mut report =
            Report { node: node.name.clone(), asked: begun, answer: None, is_new: false, zone: None };
        if client.is_none() {
            let target = Target::Tcp { host: node.host.clone(), port: node.port };
            client = RedisClient::connect(&target, &login, PATIENCE).await.ok();
            if let Some(connected) = &mut client {
                let said = connected.ask(&[&["INFO", "server"]], PATIENCE).await;
                report.is_new = said.is_ok();
                report.zone = said.ok().and_then(|said| availability_zone(said.first()?));
            }
        }
        report.asked = Instant::now();
        if let Some(connected) = &mut client {
            match connected.ask(&[&["INFO", "replication"]], PATIENCE).await {
                Ok(said) => {
                    let took = report.asked.elapsed();
                    report.answer = said.first().and_then(|said| replication(said)).map(|said| (said, took));
                }
                Err(_) => client = None,
            }
        }
        if reports.send(report).await.is_err() {
            return;
        }
        sleep_until(begun + interval).await;
    }
}
