//! Finds one request at the front of a client's input.

use memchr::memchr2;

use super::bad::{self, BadRequest, Cause};
use super::{Request, text};
use crate::memcache::{Limits, Scan};

/// Longest run of spaces before a `get` whose line is longer than [`Limits::line_bytes_max`], as memcached
/// 1.6: a server would drop the connection.
const LEADING_SPACES_MAX: usize = 100;

/// Scans requests one after the other.
///
/// `scan` takes all bytes from the request's first on, and after [`Scan::NeedMore`] the same bytes with more
/// after them; no byte is searched twice for a line end. After [`Scan::Done`] or [`Scan::Bad`] it is ready
/// for the next request, which starts [`Request::frame_len`] or `BadRequest::skip` bytes further on.
#[derive(Debug, Clone, Default)]
pub struct RequestScanner {
    /// Bytes without a line end.
    searched: usize,
    /// A storage command waiting for its data block.
    pending: Option<Request>,
}

impl RequestScanner {
    /// A scanner at the start of a stream.
    pub fn new() -> Self {
        RequestScanner::default()
    }

    /// Scans the request that starts at `frame[0]`.
    pub fn scan(&mut self, frame: &[u8], limits: &Limits) -> Scan<Request, BadRequest> {
        if let Some(request) = self.pending {
            return self.data(frame, request);
        }
        if frame.first() == Some(&0x80) {
            return Scan::Bad(BadRequest::close(Cause::Protocol, bad::BINARY));
        }
        let line_end = memchr2(b'\n', 0, &frame[self.searched..]).map(|at| self.searched + at);
        let last = match line_end {
            // it is forwarded with a CR
            Some(at) if at > 0 && frame[at - 1] != b'\r' => at + 1,
            Some(at) => at,
            None => frame.len().saturating_sub(1),
        };
        if last > limits.line_bytes_max && !is_long_get(frame, last, limits) {
            self.searched = 0;
            return Scan::Bad(BadRequest::close(Cause::LineTooLong, bad::TOO_LONG));
        }
        let Some(line_end) = line_end else {
            self.searched = frame.len();
            return Scan::NeedMore { want: frame.len() + 1 };
        };
        self.searched = 0;
        if frame[line_end] == 0 {
            return Scan::Bad(BadRequest::close(Cause::Protocol, bad::BAD_FORMAT));
        }
        match text::parse(frame, line_end, limits) {
            Ok(request) if request.frame_len() == line_end + 1 => Scan::Done(request),
            Ok(request) => self.data(frame, request),
            Err(fault) => Scan::Bad(fault),
        }
    }

    /// Waits for the data block of a storage command and checks its end.
    fn data(&mut self, frame: &[u8], request: Request) -> Scan<Request, BadRequest> {
        let want = request.frame_len();
        if frame.len() < want {
            self.pending = Some(request);
            return Scan::NeedMore { want };
        }
        self.pending = None;
        if &frame[want - 2..want] == b"\r\n" {
            return Scan::Done(request);
        }
        Scan::Bad(BadRequest::close(Cause::DataChunk, bad::BAD_DATA))
    }
}

/// True for the one command whose line may exceed [`Limits::line_bytes_max`], within its own limit. `last` is
/// the index of its LF as forwarded, or of the last byte available.
#[cold]
fn is_long_get(frame: &[u8], last: usize, limits: &Limits) -> bool {
    let spaces = frame.iter().take_while(|&&byte| byte == b' ').count();
    let is_get = frame[spaces..].starts_with(b"get ") || frame[spaces..].starts_with(b"gets ");
    is_get && spaces <= LEADING_SPACES_MAX && last <= limits.get_line_bytes_max
}
