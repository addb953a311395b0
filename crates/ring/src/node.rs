//! A server of the ring.
//!
//! Nodes are passed in nutcracker's order (see [`crate::sort_order`]); the ring returns their index.

/// A server as the ring sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Node<'a> {
    /// Name hashed for its points: the server's name, or its address as nutcracker writes it.
    pub identity: &'a [u8],
    /// Share of the keys relative to the others; 0 gives none.
    pub weight: u32,
    /// False while the server is ejected.
    pub live: bool,
}

impl<'a> Node<'a> {
    /// Makes a live server.
    pub fn new(identity: &'a [u8], weight: u32) -> Node<'a> {
        Node { identity, weight, live: true }
    }
}
