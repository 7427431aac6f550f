//! What the programs in the kernel and the daemon agree on: one histogram and the layout of every map value.
//!
//! - [`histogram`]: the bucket function, the only one in the project
//! - [`sched`], [`block`], [`tasks`], [`events`]: map keys and values, one module for each probe
//! - [`timing`]: what the programs took
//!
//! The layouts are `repr(C)` with explicit padding, so that a value is the same bytes on both sides.
#![no_std]

pub mod block;
pub mod events;
pub mod histogram;
pub mod sched;
pub mod tasks;
pub mod timing;

/// Declares a fieldless enum whose discriminants are indices from 0, with the name of each variant as users see it.
///
/// The programs use the discriminant as an array index, user space the name as a label value.
#[macro_export]
macro_rules! indexed_enum {
    ($(#[$meta:meta])* pub enum $name:ident { $($(#[$vmeta:meta])* $variant:ident = $label:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum $name { $($(#[$vmeta])* $variant,)+ }

        impl $name {
            /// Every variant, in the order of its index.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];
            /// How many variants there are: the length of an array indexed by them.
            pub const COUNT: usize = Self::ALL.len();

            /// The name that users see, in lower case with underscores.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $label,)+ }
            }
        }
    };
}
