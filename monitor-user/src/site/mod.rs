//! What the fleet's server shows: pages for people, an API for programs. Read-only.
//!
//! In: a [`Source`], which is the server's memory and its database. Out: routes that answer with HTML, SVG and JSON. The pages
//! are whole without scripts; a few lines of script renew them every ten seconds. Nothing in them comes from another
//! host, and no text from outside is markup.
//!
//! | module | what it is |
//! |---|---|
//! | [`model`] | a fleet, a node and a list as plain data: what the API answers and the pages show |
//! | [`source`] | what is asked of the server |
//! | [`params`] | query parameters, each checked |
//! | [`metrics`] | what can be drawn over time: figures of a stored report, by name |
//! | [`select`] | which nodes, and in what order |
//! | [`text`] | lists and a node as lines for a terminal |
//! | `chart` | lines and heat maps as SVG that follow the width of the screen |
//! | `page` | the pages |
//! | `asked` | from a question to a page |
//! | `api` | the API and its description |
//! | `routes` | addresses, headers, refusals |

mod api;
mod asked;
mod chart;
pub mod metrics;
pub mod model;
mod page;
pub mod params;
mod routes;
pub mod select;
pub mod source;
#[cfg(test)]
mod tests;
pub mod text;

pub use self::{
    api::openapi::description,
    routes::{ADDRESSES, router},
    source::Source,
};

/// Has every page and every answer made for the same question, whatever it is: for [`crate::fuzz`].
pub(crate) fn ask_anything(source: &dyn Source, segment: &str, query: &str) {
    use api::{answers, query_range};
    let pages = [
        asked::fleet(source, query),
        asked::node(source, segment, query),
        asked::alerts(source, query),
        asked::alert(source, segment),
    ];
    pages.iter().filter_map(|page| page.as_ref().err()).for_each(|refusal| drop(asked::sorry(refusal)));
    let _ = answers::nodes(source, query).map(|answer| serde_json::to_vec(&answer));
    let _ = answers::node(source, segment, query).map(|answer| serde_json::to_vec(&answer));
    let _ = answers::index(source, query).map(|answer| serde_json::to_vec(&answer));
    let _ = answers::alerts(source, query).map(|answer| serde_json::to_vec(&answer));
    let _ = answers::alert(source, segment, query).map(|answer| serde_json::to_vec(&answer));
    let _ = query_range::ask(source, query).map(|answer| serde_json::to_vec(&answer));
}
