//! A figure before and during: what an alert's reader compares first.

use serde::{Deserialize, Serialize};

use crate::window::Times;

/// A figure in the window before and in the window itself; absent where it is not known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Change<T> {
    /// In the window before.
    pub before: Option<T>,
    /// In the window itself.
    pub during: Option<T>,
}

/// Times of one kind in one window, in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Quantiles {
    /// How many.
    pub count: u64,
    /// Mean.
    pub mean: f64,
    /// Median.
    pub p50: f64,
    /// 90th percentile.
    pub p90: f64,
    /// 99th percentile.
    pub p99: f64,
}

impl<T> Change<T> {
    /// Takes the same figure out of both.
    pub fn of<'a, W>(before: Option<&'a W>, during: Option<&'a W>, figure: impl Fn(&'a W) -> Option<T>) -> Self {
        Self { before: before.and_then(&figure), during: during.and_then(&figure) }
    }

    /// Whether neither is known.
    pub fn is_unknown(&self) -> bool {
        self.before.is_none() && self.during.is_none()
    }
}

impl From<Times> for Quantiles {
    fn from(times: Times) -> Self {
        Self { count: times.count, mean: times.mean, p50: times.p50, p90: times.p90, p99: times.p99 }
    }
}
