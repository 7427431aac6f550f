//! The pages: the fleet, a node, the alerts, an alert.
//!
//! In: plain data of [`super::model`]. Out: HTML that needs no script, in which nothing from outside is markup. The look is that of
//! the agent's own pages. Everything that changes is in `header` and `main`, which `live.js` renews.
//!
//! | module | what it is |
//! |---|---|
//! | `shell` | what stands around every page |
//! | `fleet`, `nodes` | P over time, what fires; the list of nodes |
//! | `node`, `past`, `devices` | one node: now, over time, its disks |
//! | `alerts`, `alert` | the lists of alerts, one with its evidence |
//! | `range` | the time that figures show |

pub mod alerts;
mod devices;
pub mod fleet;
pub mod node;
mod nodes;
mod past;
pub mod range;
mod shell;

pub use crate::expose::page::markup;
pub use nodes::{LIMIT as NODE_LIMIT, PARAMS as NODE_PARAMS};
pub use shell::{ICON, SCRIPT, sorry, style};
