//! One question to a node: its view of the cluster.
//!
//! ```text
//! connect ▸ CLUSTER INFO, CLUSTER SHARDS in one write ▸ their replies ▸ close
//!             └ not known (before Redis 7), or not clear ▸ CLUSTER INFO, CLUSTER SLOTS
//! ```
//! Both facts come from one moment: the state that the node believes in, and its slots.

use std::time::Duration;

use config::checked::Target;
use proxy::View;
use tokio::time::timeout;
use wire::redis::cluster::{self, BadView, Info, SlotView};

use crate::redis_client::{Login, RedisClient};

/// Time for the whole question. Others are asked at the same time.
const PATIENCE: Duration = Duration::from_millis(500);
/// Most bytes of the replies: those of a thousand nodes with a slot in each range.
const BYTES_MAX: usize = 16 << 20;

/// The reason a node's view is not known.
#[derive(Debug, PartialEq, Eq)]
pub enum Unanswered {
    /// It cannot be reached in time, or does not answer as a node of a cluster; for the operator.
    Failed(String),
    /// Its view is larger than any that is read.
    TooLarge(String),
}

impl From<String> for Unanswered {
    fn from(reason: String) -> Unanswered {
        Unanswered::Failed(reason)
    }
}

/// Asks the node at an address.
///
/// # Errors
/// The reason.
pub async fn ask(host: &str, port: u16, login: &Login) -> Result<View, Unanswered> {
    let late = |_| format!("no answer within {} ms", PATIENCE.as_millis());
    timeout(PATIENCE, converse(host, port, login)).await.map_err(late)?
}

async fn converse(host: &str, port: u16, login: &Login) -> Result<View, Unanswered> {
    let node = Target::Tcp { host: host.to_owned(), port };
    let mut client = RedisClient::connect(&node, login, PATIENCE).await?;
    let with_tls = login.tls.is_some();
    let shards = |frame: &[u8]| cluster::shards(frame, with_tls);
    let (info, slots) = match question(&mut client, "SHARDS", shards).await? {
        Ok(known) => known,
        Err((BadView::NoView | BadView::Ambiguous, _)) => {
            match question(&mut client, "SLOTS", cluster::slots).await? {
                Ok(known) => known,
                Err(bad) => return Err(refused(bad)),
            }
        }
        Err(bad) => return Err(refused(bad)),
    };
    Ok(View { host: host.to_owned(), info, slots })
}

/// A view that cannot be used, and the node's own words if they are an error.
type Refused = (BadView, Option<String>);

fn refused((bad, words): Refused) -> Unanswered {
    match bad {
        BadView::TooLarge { .. } => Unanswered::TooLarge(bad.to_string()),
        BadView::NoView | BadView::Ambiguous => {
            Unanswered::Failed(words.map_or_else(|| bad.to_string(), |words| format!("it answers: {words}")))
        }
    }
}

/// Asks for the state and the slots.
async fn question(
    client: &mut RedisClient,
    subcommand: &str,
    read: impl Fn(&[u8]) -> Result<SlotView, BadView>,
) -> Result<Result<(Info, SlotView), Refused>, String> {
    client.send(&[&["CLUSTER", "INFO"], &["CLUSTER", subcommand]]).await?;
    let info = client.next_within(BYTES_MAX).await?;
    let slots = client.next_within(BYTES_MAX.saturating_sub(info.len())).await?;
    let error = [&info, &slots].into_iter().find(|reply| reply.starts_with(b"-"));
    let words = error.map(|reply| {
        let words = String::from_utf8_lossy(reply.trim_ascii());
        words.trim_start_matches('-').to_owned()
    });
    Ok(match (cluster::info(&info), read(&slots)) {
        (Some(info), Ok(slots)) => Ok((info, slots)),
        (_, Err(bad)) => Err((bad, words)),
        (None, Ok(_)) => Err((BadView::NoView, words)),
    })
}
