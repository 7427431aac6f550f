//! `kpulse server`: reports come in over HTTP, are put on disk, judged, and shown.
//!
//! In: batches of reports (`POST /api/v1/reports`). Out: acknowledgements once they are on disk, alerts to whoever is told of them,
//! `/metrics`. What is decided, [`crate::fleet`] decides; here are sockets, certificates, tokens and files.
//!
//! | module | what it is |
//! |---|---|
//! | [`tokens`] | who may send as which node, and who may read |
//! | [`tls`] | certificates, read again when they change |
//! | [`auth`] | what a request may do |
//! | `listen` | a bounded number of connections, none of which can be held for ever |
//! | `pulse` | cuts off who does not say who it is |
//! | `body` | a body, with bounds on its length, its time and what it unpacks to |
//! | `ingest` | one batch, from the head of the request to the acknowledgement |
//! | `judging` | once an interval: judge, write down, tell |
//! | `losses` | what nodes said that they lost, over a restart |
//! | `figures`, [`metrics`] | what the server counts, and as metrics |
//! | `routes` | what each address answers |
//! | `showing` | what the pages and the API are made from |
//! | `run` | all of it together, from the first file to the last |
//!
//! | bound | what happens beyond it |
//! |---|---|
//! | `nodes.clients` connections at once | the next waits in the kernel's backlog |
//! | [`pulse::STRANGERS`] of them that have not said who they are | the next waits |
//! | [`pulse::MANNERS`] for a stranger to say who it is | the connection is closed |
//! | [`listen::IDLE`] between two requests | the connection is closed |
//! | [`body::PATIENCE`] for a body | status 408 |
//! | [`crate::report::limits`] for a body, packed or not | status 413 |
//! | [`ingest::AT_ONCE`] large bodies at once | the next waits for its turn |
//! | `nodes.most` nodes | status 503 |

pub mod auth;
mod body;
mod figures;
pub(crate) mod ingest;
mod judging;
mod listen;
mod losses;
pub mod metrics;
mod pulse;
mod routes;
mod run;
mod showing;
pub mod tls;
pub mod tokens;

pub use self::run::{END, STORE, listen, run, runtime};
