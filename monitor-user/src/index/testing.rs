//! Generated observations.

use proptest::{collection::btree_map, prelude::*};

use super::{Load, Observation, Part, Stratum};
use crate::host::Class;

prop_compose! {
    fn stratum()(class in 0usize..3, operation in 0u8..3, size in 0u8..3) -> Stratum {
        Stratum { class: [Class::Nvme, Class::Rotational, Class::Unknown][class], operation, size }
    }
}

prop_compose! {
    fn load()(requests in prop_oneof![8 => 1u64..5_000, 1 => Just(0u64)], exponent in -7.0..3.0f64) -> Load {
        Load { requests, seconds: requests as f64 * 10f64.powf(exponent) }
    }
}

prop_compose! {
    fn part()(device in "sd[a-c]", stratum in stratum()) -> Part {
        Part { device, stratum }
    }
}

/// What a node could have done: up to eight kinds of requests, of 100 ns to 1,000 s.
pub fn any_observation() -> impl Strategy<Value = Observation> {
    btree_map(part(), load(), 0..8)
}
