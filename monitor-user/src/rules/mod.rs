//! Rules: what is wrong, said as data, and since when.
//!
//! In: a [`Moment`] (a window, the indices over it, the agent's own use). Out: an [`crate::alert::Alert`] for each change of state.
//! Pure but for the reading of the rule file: the time is an argument.
//!
//! | module | what it is |
//! |---|---|
//! | [`moment`] | what rules judge |
//! | [`signal`] | everything that a rule can judge, once |
//! | [`rule`], [`matcher`], [`template`] | a rule, its label matchers, its annotations |
//! | [`file`] | the built-in rules, and a file that adds to them or changes them |
//! | [`engine`] | the lifecycle of alerts |
//! | [`finding`] | which rules hold for one window |
//! | [`reference`] | `docs/RULES.md` |
//! | [`synthetic`] | windows of machines that are not here |

pub mod engine;
pub mod file;
pub mod finding;
pub mod matcher;
pub mod moment;
pub mod reference;
pub mod rule;
pub mod signal;
pub mod synthetic;
pub mod template;

pub use self::{
    engine::{Engine, Work},
    file::{Set, builtin, load, load_for, parse},
    moment::{Fleet, FleetNode, Moment, Own},
    rule::Rule,
};
