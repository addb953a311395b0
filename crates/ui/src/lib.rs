//! The web pages' frame, parts and charts, shared by the admin port (`admin`) and nsqadmin's pages (`web`).
//!
//! ```text
//! admin: overview, pools, events … ─┐                ┌─ parts: badges, tiles, times, bars, confirmations
//! web:   topics, channels, nodes …  ├─▶ frame ▸ page ├─ listing: sorted, filtered, paged tables
//!                                   │                ├─ chart: SVG of the last hour (series)
//!                                   │                └─ pools: of this process, and of a fleet
//!                                   └─▶ respond: ETag, content security policy
//! ```
//! Pages are rendered on the server and complete without a script. The script only fetches a page again and
//! replaces the parts that changed. Style and script are files of their own ([`assets`]), so that the policy
//! forbids everything inline. Nothing is loaded from another host. Text from outside is escaped by maud, and
//! cleared of characters that reorder text ([`text::clean`]).

#![forbid(unsafe_code)]

pub mod format;
pub mod text;

pub mod series;

pub mod assets;
pub mod frame;
pub mod respond;

pub mod chart;
pub mod listing;
pub mod parts;
pub mod settings;
pub mod pools;

pub use frame::{Frame, Level, Section, Verdict};
pub use maud::{DOCTYPE, Markup, PreEscaped, html};
pub use series::Host;
