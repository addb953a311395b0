//! Enums from a table of variants and their configuration names.
//!
//! The macro writes the enum and everything that follows from the table: `ALL`, `name`, `from_name`,
//! `Display` and `FromStr`. Nothing else in the crate spells a name.

/// Writes a fieldless enum with `ALL`, `name` and `from_name` from rows `doc, Variant = "name"`.
macro_rules! named_enum {
    (
        $(#[$outer:meta])*
        pub enum $type:ident {
            $( $(#[$row:meta])* $variant:ident = $name:literal, )*
        }
    ) => {
        $(#[$outer])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
        pub enum $type {
            $( $(#[$row])* $variant, )*
        }

        impl $type {
            /// Every variant, in the order of the table.
            pub const ALL: &'static [$type] = &[$( $type::$variant, )*];

            /// The name in a configuration file.
            pub const fn name(self) -> &'static str {
                match self {
                    $( $type::$variant => $name, )*
                }
            }

            /// The variant with this name; names are compared byte for byte, as nutcracker does.
            pub fn from_name(name: &str) -> Option<$type> {
                $type::ALL.iter().copied().find(|row| row.name() == name)
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.name())
            }
        }
    };
}

pub(crate) use named_enum;
