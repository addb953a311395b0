//! The table macros that define a group of cells, its reports and its descriptions.
//!
//! `stats_table!` takes rows of `name: Kind, "description"` in two blocks and makes a struct with one public
//! cell per row, `ROWS` with their properties, and `values()` in the order of `ROWS`. The rows of
//! `nutcracker { }` have the names, order and descriptions of nutcracker 0.5.0 and form its JSON and its `-D`
//! text; those of `native { }` are ours. `with { }` holds fields that are not cells.

/// Behaviour of a row's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Grows only; summed over shards.
    Counter,
    /// Goes up and down; summed over shards.
    Gauge,
    /// Microseconds since the Unix epoch, zero for never; the latest over shards.
    Timestamp,
}

/// One row of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// Name in JSON, text, and (with prefix and suffix) in Prometheus.
    pub name: &'static str,
    /// Behaviour of its values.
    pub kind: Kind,
    /// Description, without a full stop; nutcracker's own words for its rows.
    pub help: &'static str,
    /// True if nutcracker 0.5.0 has the row too.
    pub nutcracker: bool,
}

/// Adds the values of one shard to a sum; both in the order of `rows`.
pub(crate) fn merge(rows: &[Row], sum: &mut [u64], values: &[u64]) {
    for ((row, sum), value) in rows.iter().zip(sum).zip(values) {
        *sum = match row.kind {
            Kind::Counter | Kind::Gauge => sum.wrapping_add(*value),
            Kind::Timestamp => (*sum).max(*value),
        };
    }
}

/// See the module's page.
macro_rules! stats_table {
    (
        $(#[$meta:meta])*
        pub struct $name:ident {
            nutcracker { $($field:ident: $kind:ident, $help:literal;)* }
            native { $($own:ident: $own_kind:ident, $own_help:literal;)* }
            with { $($(#[$extra_meta:meta])* $extra:ident: $extra_type:ty,)* }
        }
    ) => {
        #[allow(clippy::doc_markdown, reason = "what is said of a row is also printed")]
        $(#[$meta])*
        #[derive(Debug, Default)]
        #[repr(align(64))]
        pub struct $name {
            $($(#[$extra_meta])* pub $extra: $extra_type,)*
            $(#[doc = $help] pub $field: $crate::$kind,)*
            $(#[doc = $own_help] pub $own: $crate::$own_kind,)*
        }

        impl $name {
            /// Name, kind and description of every cell, in order.
            pub const ROWS: &'static [$crate::Row] = &[
                $($crate::Row {
                    name: stringify!($field), kind: $crate::Kind::$kind, help: $help, nutcracker: true,
                },)*
                $($crate::Row {
                    name: stringify!($own), kind: $crate::Kind::$own_kind, help: $own_help, nutcracker: false,
                },)*
            ];

            /// The values of every cell, in the order of `ROWS`.
            pub fn values(&self) -> Vec<u64> {
                vec![$(self.$field.get(),)* $(self.$own.get(),)*]
            }
        }
    };
}

pub(crate) use stats_table;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merging_follows_the_kind() {
        let row = |kind| Row { name: "x", kind, help: "", nutcracker: false };
        let rows = [row(Kind::Counter), row(Kind::Gauge), row(Kind::Timestamp)];
        let mut sum = [1, 2, 30];
        merge(&rows, &mut sum, &[10, 20, 3]);
        assert_eq!(sum, [11, 22, 30]);
    }
}
