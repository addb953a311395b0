//! One question to a node: its view of the cluster.
//!
//! ```text
//! connect ▸ CLUSTER INFO, CLUSTER SLOTS in one write ▸ their replies ▸ close
//! ```
//! Both facts come from one moment: the state that the node believes in, and its slots.

use std::time::Duration;

use config::checked::Target;
use proxy::View;
use tokio::time::timeout;
use wire::redis::cluster;

use crate::redis_client::{Login, RedisClient};

/// Time for the whole question. Others are asked at the same time.
const PATIENCE: Duration = Duration::from_millis(500);
/// Most bytes of the replies: those of a thousand nodes with a slot in each range.
const BYTES_MAX: usize = 16 << 20;

/// Asks the node at an address.
///
/// # Errors
/// The reason, for the operator: it cannot be reached in time, or does not answer as a node of a cluster.
pub async fn ask(host: &str, port: u16, login: &Login) -> Result<View, String> {
    let late = |_| format!("no answer within {} ms", PATIENCE.as_millis());
    timeout(PATIENCE, converse(host, port, login)).await.map_err(late)?
}

async fn converse(host: &str, port: u16, login: &Login) -> Result<View, String> {
    let node = Target::Tcp { host: host.to_owned(), port };
    let mut client = RedisClient::connect(&node, login, PATIENCE).await?;
    client.send(&[&["CLUSTER", "INFO"], &["CLUSTER", "SLOTS"]]).await?;
    let info = client.next_within(BYTES_MAX).await?;
    let slots = client.next_within(BYTES_MAX.saturating_sub(info.len())).await?;
    match (cluster::info(&info), cluster::slots(&slots)) {
        (Some(info), Some(ranges)) => Ok(View { host: host.to_owned(), info, ranges }),
        _ => {
            let error = [&info, &slots].into_iter().find(|reply| reply.starts_with(b"-"));
            let words =
                String::from_utf8_lossy(error.map_or(&b"something else"[..], |reply| reply.trim_ascii()));
            Err(format!("it answers: {}", words.trim_start_matches('-')))
        }
    }
}
