//! A report: what happened on a node in one interval, as an agent tells it to the server and as the server keeps it.
//!
//! | module | what it is |
//! |---|---|
//! | [`wire`] | the messages, in protobuf |

pub mod wire;
