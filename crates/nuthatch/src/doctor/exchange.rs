//! Questions to other programs, several at a time, each with a deadline.

use std::future::Future;
use std::time::{Duration, Instant};

use config::checked::Target;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::Builder;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::server_stream::{self, ServerTls};

/// Time limit for connecting, and for each step afterwards.
pub(super) const PATIENCE: Duration = Duration::from_secs(2);
/// Size limit of an answer, in bytes.
const BYTES_MAX: usize = 256 << 10;
/// Most programs that are asked at the same time.
const AT_A_TIME: usize = 16;

/// An answer, and the time from the request to its end.
pub(super) struct Answer {
    pub text: String,
    pub took: Duration,
}

/// Asks every one of `all`, [`AT_A_TIME`] at once; the results are in the order of `all`.
///
/// # Errors
/// No event loop can be started.
pub(super) fn ask_all<T, F>(all: Vec<T>, ask: impl Fn(T) -> F) -> Result<Vec<F::Output>, String>
where
    F: Future<Output: Send> + Send + 'static,
{
    let runtime = Builder::new_current_thread().enable_all().build().map_err(|error| error.to_string())?;
    let (mut left, mut under_way, mut found) = (all.into_iter().enumerate(), JoinSet::new(), Vec::new());
    runtime.block_on(async {
        loop {
            while under_way.len() < AT_A_TIME
                && let Some((at, one)) = left.next()
            {
                let asking = ask(one);
                under_way.spawn(async move { (at, asking.await) });
            }
            match under_way.join_next().await {
                Some(answered) => found.extend(answered),
                None => break,
            }
        }
    });
    found.sort_by_key(|(at, _)| *at);
    Ok(found.into_iter().map(|(_, result)| result).collect())
}

/// Sends `request` and reads until `is_whole`.
///
/// # Errors
/// The reason, for the operator.
pub(super) async fn exchange(
    target: &Target,
    tls: Option<&ServerTls>,
    request: &[u8],
    is_whole: impl Fn(&str) -> bool,
) -> Result<Answer, String> {
    let late = || format!("no answer within {} s", PATIENCE.as_secs());
    let opening = timeout(PATIENCE, server_stream::open(target, tls)).await;
    let mut stream = opening.map_err(|_| late())??;
    let start = Instant::now();
    let conversation = async {
        stream.write_all(request).await.map_err(|error| error.to_string())?;
        stream.flush().await.map_err(|error| error.to_string())?;
        let mut bytes = Vec::new();
        loop {
            let text = String::from_utf8_lossy(&bytes);
            if is_whole(&text) {
                return Ok(Answer { text: text.into_owned(), took: start.elapsed() });
            }
            if bytes.len() > BYTES_MAX {
                return Err("its response is too long".to_owned());
            }
            match stream.read_buf(&mut bytes).await {
                Ok(0) => return Err("it closed the connection".to_owned()),
                Ok(_) => {}
                Err(error) => return Err(error.to_string()),
            }
        }
    };
    timeout(PATIENCE, conversation).await.map_err(|_| late())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_in_the_order_of_the_questions() {
        let all: Vec<u64> = (0..3 * AT_A_TIME as u64).collect();
        let asked = ask_all(all.clone(), |n| async move {
            for _ in 0..(n * 7) % 5 {
                tokio::task::yield_now().await;
            }
            n
        });
        assert_eq!(asked, Ok(all));
        assert_eq!(ask_all(Vec::<u8>::new(), |n| async move { n }), Ok(vec![]));
    }
}
