//! Bodies of requests: read whole, with a limit on their size, on the time that they take, and on what all of them hold together.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, StatusCode, header};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::answer::Refusal;

/// How long a body may take to arrive.
const DEADLINE: Duration = Duration::from_secs(60);
/// What is read and thrown away of a body that is too large, so that its sender gets to see the answer.
const DISCARD_BYTES_MAX: usize = 1 << 20;
/// How long that may take.
const DISCARD_DEADLINE: Duration = Duration::from_secs(2);
/// Bytes that bodies may hold together, unless a single one may be larger.
const TOTAL_BYTES_MAX: u64 = 64 << 20;
/// Unit of the account of those bytes.
const UNIT: usize = 1024;

/// The account of what all bodies together hold.
#[derive(Debug)]
pub(super) struct Budget {
    units: Arc<Semaphore>,
    deadline: Duration,
}

/// A body, and what it takes up in the account.
#[derive(Debug)]
pub(super) struct Held {
    /// The bytes.
    pub bytes: Bytes,
    _units: Vec<OwnedSemaphorePermit>,
}

/// Why there is no body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// It is larger than allowed.
    TooBig,
    /// It did not arrive in time.
    Late,
    /// Its sender went away, or sent no HTTP.
    Broken,
    /// Other bodies take up all the memory there is for them.
    Busy,
}

impl Fault {
    /// The answer; what to say to a body that is too large depends on the request.
    pub(super) fn refusal(self, too_big: &'static str) -> Refusal {
        match self {
            Fault::TooBig => Refusal::too_big(too_big),
            Fault::Late => Refusal::new(StatusCode::REQUEST_TIMEOUT, "TIMEOUT"),
            Fault::Broken => Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL_ERROR"),
            Fault::Busy => Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "BUSY"),
        }
    }
}

impl Budget {
    /// An account in which a body of `body_bytes_max` has room.
    pub(super) fn new(body_bytes_max: u64) -> Budget {
        let bytes = TOTAL_BYTES_MAX.max(body_bytes_max.saturating_mul(2));
        let units = usize::try_from(bytes / UNIT as u64).unwrap_or(usize::MAX);
        let units = Arc::new(Semaphore::new(units.min(Semaphore::MAX_PERMITS)));
        Budget { units, deadline: DEADLINE }
    }

    /// Reads a body of at most `bytes_max`.
    pub(super) async fn read(
        &self,
        headers: &HeaderMap,
        mut body: Body,
        bytes_max: u64,
    ) -> Result<Held, Fault> {
        let announced: Option<usize> =
            headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
        let bytes_max = usize::try_from(bytes_max).unwrap_or(usize::MAX);
        let result = match announced {
            Some(announced) if announced > bytes_max => Err(Fault::TooBig),
            _ => timeout(self.deadline, self.collect(&mut body, bytes_max)).await.unwrap_or(Err(Fault::Late)),
        };
        // Who asked for leave to send has not sent yet.
        if matches!(result, Err(Fault::TooBig | Fault::Busy)) && !headers.contains_key(header::EXPECT) {
            let _ = timeout(DISCARD_DEADLINE, discard(&mut body)).await;
        }
        result
    }

    async fn collect(&self, body: &mut Body, bytes_max: usize) -> Result<Held, Fault> {
        let mut units = Vec::new();
        let mut first = Bytes::new();
        let mut all = BytesMut::new();
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame.map_err(|_| Fault::Broken)?.into_data() else { continue };
            if first.len().max(all.len()) + data.len() > bytes_max {
                return Err(Fault::TooBig);
            }
            let wanted = u32::try_from(data.len().div_ceil(UNIT)).unwrap_or(u32::MAX);
            units.push(self.units.clone().try_acquire_many_owned(wanted).map_err(|_| Fault::Busy)?);
            if first.is_empty() && all.is_empty() {
                first = data;
            } else {
                if all.is_empty() {
                    all.extend_from_slice(&first);
                }
                all.extend_from_slice(&data);
            }
        }
        Ok(Held { bytes: if all.is_empty() { first } else { all.freeze() }, _units: units })
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

    /// Chunks of this size, so many of them; after the last one an end, or nothing ever.
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
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(budget.read(&HeaderMap::new(), Body::new(chunks), bytes_max))
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
        let total = usize::try_from(TOTAL_BYTES_MAX).unwrap();
        let held = read(&budget, Chunks(total, 1, true), TOTAL_BYTES_MAX).unwrap();
        assert_eq!(read(&budget, Chunks(1, 1, true), 10).map(|_| ()), Err(Fault::Busy));
        drop(held);
        assert!(read(&budget, Chunks(1, 1, true), 10).is_ok());
    }
}
