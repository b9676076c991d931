//! Closed lists of words: kinds of things that log and metric call by one name each, so that they can be labels.

/// Makes an enum whose variants have one name each for ever, with `ALL`, `name()` and `place()`.
#[macro_export]
macro_rules! names {
    ($(#[$of_all:meta])* pub enum $kind:ident { $($(#[$doc:meta])* $variant:ident = $name:literal,)* }) => {
        $(#[$of_all])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum $kind { $($(#[$doc])* $variant,)* }

        impl $kind {
            /// Every one, in the order in which they are told.
            pub const ALL: &'static [$kind] = &[$($kind::$variant,)*];

            /// The name in log and metric.
            pub const fn name(self) -> &'static str {
                match self { $($kind::$variant => $name,)* }
            }

            /// Its place in `ALL`.
            pub const fn place(self) -> usize {
                // Variants are numbered as they stand there.
                self as usize
            }
        }
    };
}
