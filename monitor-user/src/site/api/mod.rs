//! The API: the same data as the pages, as JSON.
//!
//! | module | what it is |
//! |---|---|
//! | [`paths`] | each address with its parameters and its answer: what is described and what is parsed is one table |
//! | [`answers`] | from a question to an answer |
//! | [`query_range`] | figures over time |
//! | [`openapi`] | the description |

pub mod answers;
pub mod openapi;
pub mod paths;
pub mod query_range;
