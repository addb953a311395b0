//! The role of one node, asked for again and again.

use std::time::Duration;

use config::checked::Target;
use proxy::{NodeAddress, Role};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use wire::redis::sentinel::is_master;

use super::report::{Pace, Report};
use crate::redis_client::{Login, RedisClient};

/// Time for an answer. A node that takes longer serves nobody.
const PATIENCE: Duration = Duration::from_millis(300);

/// Asks until it is aborted.
pub(super) async fn run(node: NodeAddress, login: Login, mut pace: Pace, reports: mpsc::Sender<Report>) {
    let mut client = None;
    loop {
        let begun = Instant::now();
        let role = ask(&node, &login, &mut client).await;
        if reports.send(Report::Role { node: node.clone(), role }).await.is_err() {
            return;
        }
        let pause = *pace.borrow_and_update();
        sleep_until(begun + pause).await;
    }
}

async fn ask(node: &NodeAddress, login: &Login, client: &mut Option<RedisClient>) -> Role {
    if client.is_none() {
        let target = Target::Tcp { host: node.0.clone(), port: node.1 };
        *client = RedisClient::connect(&target, login, PATIENCE).await.ok();
    }
    let Some(connected) = client else { return Role::Unreachable };
    match connected.ask(&[&["ROLE"]], PATIENCE).await {
        Ok(answers) if answers.iter().all(|answer| is_master(answer)) => Role::Master,
        Ok(_) => Role::Other,
        Err(_) => {
            *client = None;
            Role::Unreachable
        }
    }
}
