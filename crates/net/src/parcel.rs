//! A connection on its way from one shard to another.

use crate::stream::Stream;

/// A connection that one shard's loop has let go ([`Io::release`](crate::Io::release)) and another's has not taken up yet
/// ([`Io::adopt`](crate::Io::adopt)). Dropping it closes the connection.
#[derive(Debug)]
pub struct Parcel(Content);

#[derive(Debug)]
enum Content {
    Socket(Stream),
    Simulated(u64),
}

impl Parcel {
    pub(crate) fn of(stream: Stream) -> Parcel {
        Parcel(Content::Socket(stream))
    }

    pub(crate) fn into_stream(self) -> Option<Stream> {
        match self.0 {
            Content::Socket(stream) => Some(stream),
            Content::Simulated(_) => None,
        }
    }

    /// For a loop without sockets: a connection that goes by a number.
    pub fn simulated(number: u64) -> Parcel {
        Parcel(Content::Simulated(number))
    }

    /// The number given to [`Parcel::simulated`].
    pub fn number(&self) -> Option<u64> {
        match self.0 {
            Content::Socket(_) => None,
            Content::Simulated(number) => Some(number),
        }
    }
}
