//! Request bodies, read whole, with limits on size, on time, and on the memory of all together.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, StatusCode, header};
use bytes::Bytes;
use http_body_util::BodyExt;
use tokio::time::timeout;

use crate::account::{Account, Charge, Overdrawn};
use crate::answer::HttpRefusal;

/// Longest time for a body to arrive.
const DEADLINE: Duration = Duration::from_mins(1);
/// Bytes read and discarded of a body that is too large, so that its sender can read the answer.
const DISCARD_BYTES_MAX: usize = 1 << 20;
/// Longest time for discarding.
const DISCARD_DEADLINE: Duration = Duration::from_secs(2);
/// Limit on all bodies together, unless a single one may be larger.
const TOTAL_BYTES_MAX: u64 = 64 << 20;

/// Memory budget of all bodies.
#[derive(Debug)]
pub struct Budget {
    account: Arc<Account>,
    deadline: Duration,
}

/// A body and its charge to the account.
#[derive(Debug)]
pub struct Held {
    /// The bytes.
    pub bytes: Bytes,
    _charge: Charge,
}

/// The reason there is no body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It is larger than allowed.
    TooBig,
    /// So much larger that the connection is closed rather than read to its end.
    FarTooBig,
    /// It did not arrive in time.
    Late,
    /// Its sender disconnected, or sent invalid HTTP.
    Broken,
    /// Other bodies, or those of the same address, use up the budget.
    Busy,
}

impl Fault {
    /// The answer; `too_big` is the message for a body that is too large.
    pub fn refusal(self, too_big: &'static str) -> HttpRefusal {
        match self {
            Fault::TooBig => HttpRefusal::too_big(too_big),
            Fault::FarTooBig => HttpRefusal::too_big(too_big).closing(),
            Fault::Late => HttpRefusal::new(StatusCode::REQUEST_TIMEOUT, "TIMEOUT"),
            Fault::Broken => HttpRefusal::new(StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL_ERROR"),
            Fault::Busy => HttpRefusal::new(StatusCode::SERVICE_UNAVAILABLE, "BUSY"),
        }
    }
}

impl Budget {
    /// A budget with room for at least one body of `body_bytes_max`.
    pub fn new(body_bytes_max: u64) -> Budget {
        let bytes = TOTAL_BYTES_MAX.max(body_bytes_max.saturating_mul(2));
        Budget { account: Account::new(usize::try_from(bytes).unwrap_or(usize::MAX)), deadline: DEADLINE }
    }

    /// Reads a body of at most `bytes_max`, charged to the address it comes from.
    pub async fn read(
        &self,
        from: &str,
        headers: &HeaderMap,
        mut body: Body,
        bytes_max: u64,
    ) -> Result<Held, Fault> {
        let announced: Option<usize> =
            headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
        let bytes_max = usize::try_from(bytes_max).unwrap_or(usize::MAX);
        let result = match announced {
            Some(announced) if announced > bytes_max.max(DISCARD_BYTES_MAX) => Err(Fault::FarTooBig),
            Some(announced) if announced > bytes_max => Err(Fault::TooBig),
            _ => timeout(self.deadline, self.collect(from, &mut body, bytes_max))
                .await
                .unwrap_or(Err(Fault::Late)),
        };
        // With `Expect: 100-continue` the client has not sent its body yet. The answer does not wait for the
        // discarding, which goes on meanwhile.
        let refused = matches!(result, Err(Fault::TooBig | Fault::FarTooBig | Fault::Busy));
        if refused && !headers.contains_key(header::EXPECT) {
            tokio::spawn(async move { timeout(DISCARD_DEADLINE, discard(&mut body)).await });
        }
        result
    }

    async fn collect(&self, from: &str, body: &mut Body, bytes_max: usize) -> Result<Held, Fault> {
        let mut charge = self.account.open(from);
        // A body that arrives in one piece is not copied.
        let mut first = Bytes::new();
        let mut all = Vec::new();
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame.map_err(|_| Fault::Broken)?.into_data() else { continue };
            let length = first.len() + all.len() + data.len();
            if length > bytes_max {
                return Err(Fault::TooBig);
            }
            if length == data.len() {
                charge.grow_to(length).map_err(|Overdrawn| Fault::Busy)?;
                first = data;
                continue;
            }
            if length > all.capacity() {
                let capacity = all.capacity().saturating_mul(2).clamp(length, bytes_max);
                charge.grow_to(capacity).map_err(|Overdrawn| Fault::Busy)?;
                all.reserve_exact(capacity - all.len());
            }
            all.extend_from_slice(&std::mem::take(&mut first));
            all.extend_from_slice(&data);
        }
        Ok(Held { bytes: if all.is_empty() { first } else { all.into() }, _charge: charge })
    }
}

async fn discard(body: &mut Body) {
    let mut left = DISCARD_BYTES_MAX;
    while let Some(Ok(frame)) = body.frame().await {
        let bytes = frame.data_ref().map_or(0, Bytes::len);
        if bytes > left {
            return;
        }
        left -= bytes;
    }
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use hyper::body::Frame;

    use super::*;

    /// Chunk size, number of chunks, and whether the body ends after them or never.
    struct Chunks(usize, usize, bool);

    impl hyper::body::Body for Chunks {
        type Data = Bytes;
        type Error = std::convert::Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
            match (self.1, self.2) {
                (0, true) => Poll::Ready(None),
                (0, false) => Poll::Pending,
                _ => {
                    self.1 -= 1;
                    Poll::Ready(Some(Ok(Frame::data(Bytes::from(vec![b'x'; self.0])))))
                }
            }
        }
    }

    fn read(budget: &Budget, chunks: Chunks, bytes_max: u64) -> Result<Held, Fault> {
        read_from("192.0.2.1", budget, chunks, bytes_max)
    }

    fn read_from(from: &str, budget: &Budget, chunks: Chunks, bytes_max: u64) -> Result<Held, Fault> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(budget.read(from, &HeaderMap::new(), Body::new(chunks), bytes_max))
    }

    #[test]
    fn sizes_up_to_the_limit() {
        let budget = Budget::new(1 << 20);
        for (size, count, bytes_max, expected) in [
            (0, 0, 0, Ok(0)),
            (10, 1, 10, Ok(10)),
            (11, 1, 10, Err(Fault::TooBig)),
            (5, 2, 10, Ok(10)),
            (5, 3, 10, Err(Fault::TooBig)),
            (1, 100, 99, Err(Fault::TooBig)),
        ] {
            let got = read(&budget, Chunks(size, count, true), bytes_max).map(|held| held.bytes.len());
            assert_eq!(got, expected, "{count} times {size}");
        }
    }

    #[test]
    fn a_body_that_does_not_end_is_late() {
        let budget = Budget { deadline: Duration::from_millis(20), ..Budget::new(1 << 20) };
        assert_eq!(read(&budget, Chunks(10, 3, false), 100).map(|_| ()), Err(Fault::Late));
    }

    #[test]
    fn what_all_bodies_hold_is_limited_and_given_back() {
        let budget = Budget::new(1 << 20);
        let half = TOTAL_BYTES_MAX / 2;
        let whole = |from: &str| read_from(from, &budget, Chunks(half.try_into().unwrap(), 1, true), half);
        let one = |from: &str| read_from(from, &budget, Chunks(1, 1, true), 10).map(|held| held.bytes.len());
        let first = whole("192.0.2.1").unwrap();
        assert_eq!((one("192.0.2.1"), one("192.0.2.2")), (Err(Fault::Busy), Ok(1)), "others have room");
        let second = whole("192.0.2.2").unwrap();
        assert_eq!(one("192.0.2.3"), Err(Fault::Busy));
        drop((first, second));
        assert_eq!(one("192.0.2.1"), Ok(1));
    }

    #[test]
    fn small_chunks_are_charged_by_what_they_hold() {
        let budget = Budget::new(1 << 20);
        let held = read(&budget, Chunks(1, 65_536, true), 1 << 20).unwrap();
        assert_eq!(held.bytes.len(), 65_536);
        let rest = TOTAL_BYTES_MAX / 2 - 2 * 65_536;
        assert!(read(&budget, Chunks(rest.try_into().unwrap(), 1, true), rest).is_ok());
        let largest = read(&budget, Chunks(1, 1 << 20, true), 1 << 20).unwrap();
        assert_eq!(largest.bytes.len(), 1 << 20);
    }
}
