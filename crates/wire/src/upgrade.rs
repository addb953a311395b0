//! Messages between a running process and its successor, over a socket that keeps message boundaries.
//!
//! ```text
//! message: u16 kind │ field …                    field: u16 tag │ u32 length │ bytes
//!
//! successor                               predecessor (starts the successor)
//!     ◀── Hello ─────────────────────────────────┤
//!     ◀── Sockets (descriptors), as many as needed ┤
//!     ├── Hello, Pool …, Ready ──────────────────▶   everything is checked and bound
//!     ◀── Data (descriptors) ────────────────────┤   the data path and the lookup are the successor's
//!     ├── Opened ────────────────────────────────▶
//!     ◀── Serve ─────────────────────────────────┤
//!     ├── Serving ───────────────────────────────▶   from here on there is no way back
//!     ◀── Client (descriptor), one for each ─────┤
//! ```
//! Either side may send [`Message::Failed`] instead of any message, and the end of the socket means the end
//! of the peer.
//!
//! The two may be of different versions: unknown kinds and tags are skipped, and missing fields take a
//! default where one is sound. A change that an older process would misread raises [`FORMAT`], and the
//! successor is refused.

mod fields;

pub use fields::{FIELD_BYTES_MAX, MESSAGE_BYTES_MAX, Malformed};
use fields::{Fields, Writer};

/// Number of this encoding. Processes with different numbers do not hand over to each other.
pub const FORMAT: u64 = 1;

/// A message. Descriptors travel beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// First message of each side.
    Hello(Hello),
    /// The descriptors are listening sockets.
    Sockets {
        /// True if more of them follow.
        more: bool,
    },
    /// A pool served by the successor.
    Pool(Pool),
    /// The successor has checked its configuration and bound its listeners.
    Ready,
    /// The predecessor has stopped its queue and its lookup.
    Data(Data),
    /// The successor has opened its queue and its lookup.
    Opened,
    /// The successor must start serving.
    Serve(Serve),
    /// The successor is serving.
    Serving,
    /// A client of a pool; the descriptor is its socket.
    Client(Client),
    /// The upgrade has failed on the sender's side.
    Failed {
        /// Reason, for the operator.
        reason: String,
    },
    /// A message of another version, to be skipped.
    Unknown {
        /// Its kind.
        kind: u16,
    },
}

/// Identity of a process.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Hello {
    /// [`FORMAT`] of the sender.
    pub format: u64,
    /// Version of the program, for the operator.
    pub version: String,
    /// Process id.
    pub process: u64,
}

/// The properties of a pool that decide who may become its client.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Pool {
    /// Name.
    pub name: String,
    /// Protocol of its clients, as named in a configuration file.
    pub protocol: String,
}

/// Order of the descriptors beside [`Message::Data`]: each is present if its flag is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Data {
    /// The queue's directory, locked.
    pub directory: bool,
    /// A file with the lookup's snapshot.
    pub lookup: bool,
}

/// State for the successor to continue from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Serve {
    /// Number of the next client (CLIENT ID).
    pub client_number: u64,
}

/// A client of a pool without a request under way.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Client {
    /// Name of its pool.
    pub pool: String,
    /// Number, for CLIENT ID.
    pub number: u64,
    /// True if it has authenticated with the pool's password.
    pub has_authenticated: bool,
    /// True if it uses RESP3.
    pub resp3: bool,
    /// Name set by CLIENT SETNAME.
    pub name: Option<Vec<u8>>,
    /// User it is logged in as.
    pub user: Option<Vec<u8>>,
    /// Its address and port; None for a unix socket.
    pub address: Option<Vec<u8>>,
}

/// Kinds of messages. Numbers are never reused.
mod kind {
    pub(super) const HELLO: u16 = 1;
    pub(super) const SOCKETS: u16 = 2;
    pub(super) const POOL: u16 = 3;
    pub(super) const READY: u16 = 4;
    pub(super) const DATA: u16 = 5;
    pub(super) const OPENED: u16 = 6;
    pub(super) const SERVE: u16 = 7;
    pub(super) const SERVING: u16 = 8;
    pub(super) const CLIENT: u16 = 9;
    pub(super) const FAILED: u16 = 10;
}

/// Tags of fields, for all kinds of messages. Numbers are never reused.
mod tag {
    pub(super) const FORMAT: u16 = 1;
    pub(super) const VERSION: u16 = 2;
    pub(super) const PROCESS: u16 = 3;
    pub(super) const MORE: u16 = 4;
    pub(super) const NAME: u16 = 5;
    pub(super) const PROTOCOL: u16 = 6;
    pub(super) const DIRECTORY: u16 = 7;
    pub(super) const LOOKUP: u16 = 8;
    pub(super) const CLIENT_NUMBER: u16 = 9;
    pub(super) const POOL: u16 = 10;
    pub(super) const HAS_AUTHENTICATED: u16 = 11;
    pub(super) const RESP3: u16 = 12;
    pub(super) const CLIENT_NAME: u16 = 13;
    pub(super) const REASON: u16 = 14;
    pub(super) const USER: u16 = 15;
    pub(super) const ADDRESS: u16 = 16;
}

impl Message {
    /// Name, for errors.
    pub fn name(&self) -> &'static str {
        match self {
            Message::Hello(_) => "Hello",
            Message::Sockets { .. } => "Sockets",
            Message::Pool(_) => "Pool",
            Message::Ready => "Ready",
            Message::Data(_) => "Data",
            Message::Opened => "Opened",
            Message::Serve(_) => "Serve",
            Message::Serving => "Serving",
            Message::Client(_) => "Client",
            Message::Failed { .. } => "Failed",
            Message::Unknown { .. } => "Unknown",
        }
    }

    /// Encodes a message.
    ///
    /// # Errors
    /// [`Malformed::TooLong`]: one of its texts exceeds the maximum field length.
    pub fn encode(&self) -> Result<Vec<u8>, Malformed> {
        let writer = match self {
            Message::Hello(Hello { format, version, process }) => Writer::new(kind::HELLO)
                .number(tag::FORMAT, *format)
                .bytes(tag::VERSION, version.as_bytes())
                .number(tag::PROCESS, *process),
            Message::Sockets { more } => Writer::new(kind::SOCKETS).flag(tag::MORE, *more),
            Message::Pool(Pool { name, protocol }) => Writer::new(kind::POOL)
                .bytes(tag::NAME, name.as_bytes())
                .bytes(tag::PROTOCOL, protocol.as_bytes()),
            Message::Ready => Writer::new(kind::READY),
            Message::Data(Data { directory, lookup }) => {
                Writer::new(kind::DATA).flag(tag::DIRECTORY, *directory).flag(tag::LOOKUP, *lookup)
            }
            Message::Opened => Writer::new(kind::OPENED),
            Message::Serve(Serve { client_number }) => {
                Writer::new(kind::SERVE).number(tag::CLIENT_NUMBER, *client_number)
            }
            Message::Serving => Writer::new(kind::SERVING),
            Message::Client(client) => client.write(),
            Message::Failed { reason } => Writer::new(kind::FAILED).bytes(tag::REASON, reason.as_bytes()),
            Message::Unknown { kind } => Writer::new(*kind),
        };
        writer.finish()
    }

    /// Decodes a message.
    ///
    /// # Errors
    /// The bytes are malformed. Unknown kinds and tags are not an error.
    pub fn decode(bytes: &[u8]) -> Result<Message, Malformed> {
        let (kind, fields) = Fields::read(bytes)?;
        Ok(match kind {
            kind::HELLO => Message::Hello(Hello {
                format: fields.number(tag::FORMAT)?.ok_or(Malformed::Missing(tag::FORMAT))?,
                version: fields.text(tag::VERSION)?.unwrap_or_default(),
                process: fields.number(tag::PROCESS)?.unwrap_or_default(),
            }),
            kind::SOCKETS => Message::Sockets { more: fields.flag(tag::MORE)? },
            kind::POOL => Message::Pool(Pool {
                name: fields.text(tag::NAME)?.ok_or(Malformed::Missing(tag::NAME))?,
                protocol: fields.text(tag::PROTOCOL)?.ok_or(Malformed::Missing(tag::PROTOCOL))?,
            }),
            kind::READY => Message::Ready,
            kind::DATA => Message::Data(Data {
                directory: fields.flag(tag::DIRECTORY)?,
                lookup: fields.flag(tag::LOOKUP)?,
            }),
            kind::OPENED => Message::Opened,
            kind::SERVE => Message::Serve(Serve {
                client_number: fields.number(tag::CLIENT_NUMBER)?.unwrap_or_default(),
            }),
            kind::SERVING => Message::Serving,
            kind::CLIENT => Message::Client(Client::read(&fields)?),
            kind::FAILED => Message::Failed { reason: fields.text(tag::REASON)?.unwrap_or_default() },
            kind => Message::Unknown { kind },
        })
    }
}

impl Client {
    fn write(&self) -> Writer {
        let Client { pool, number, has_authenticated, resp3, name, user, address } = self;
        let writer = Writer::new(kind::CLIENT)
            .bytes(tag::POOL, pool.as_bytes())
            .number(tag::CLIENT_NUMBER, *number)
            .flag(tag::HAS_AUTHENTICATED, *has_authenticated)
            .flag(tag::RESP3, *resp3);
        let named = [(tag::CLIENT_NAME, name), (tag::USER, user), (tag::ADDRESS, address)];
        let set = named.into_iter().filter_map(|(tag, text)| Some((tag, text.as_ref()?)));
        set.fold(writer, |writer, (tag, text)| writer.bytes(tag, text))
    }

    fn read(fields: &Fields<'_>) -> Result<Client, Malformed> {
        Ok(Client {
            pool: fields.text(tag::POOL)?.ok_or(Malformed::Missing(tag::POOL))?,
            number: fields.number(tag::CLIENT_NUMBER)?.unwrap_or_default(),
            has_authenticated: fields.flag(tag::HAS_AUTHENTICATED)?,
            resp3: fields.flag(tag::RESP3)?,
            name: fields.bytes(tag::CLIENT_NAME).map(<[u8]>::to_vec),
            user: fields.bytes(tag::USER).map(<[u8]>::to_vec),
            address: fields.bytes(tag::ADDRESS).map(<[u8]>::to_vec),
        })
    }
}

#[cfg(test)]
mod tests;
