//! The list of nodes: a form that narrows it, a table, and the way to its other pages.

use std::fmt::{self, Write as _};

use super::{
    fleet,
    markup::{Link, Text, or_dash},
};
use crate::{
    index::Signal,
    site::{
        model::{Judged, Node, Page, Presence},
        params::Params,
        select::Order,
    },
    table::units,
};

/// Nodes on a page, unless somebody asks for more.
pub const LIMIT: u64 = 50;
/// The parameters of this list.
pub const PARAMS: &[&str] = &["name", "state", "signal", "sort", "offset", "limit", "range"];
/// The width of the bar of r in pixels, and the r at its end.
const BAR: f64 = 56.0;
const BAR_END: f64 = 4.0;

pub(super) fn write(out: &mut String, page: &Page<Node>, params: &Params, now_ns: u64) -> fmt::Result {
    write!(out, "<h2 id=nodes>Nodes <span class=dim>{} of them</span></h2>", page.total)?;
    form(out, params)?;
    if page.items.is_empty() {
        out.push_str("<p class=dim>No node is like that.");
        return Ok(());
    }
    out.push_str(
        "<div class=\"wide sticky\" tabindex=0 role=region aria-labelledby=nodes><table><tr><th scope=col>node<th scope=col \
         class=n>requests, r<th scope=col class=n>T<th scope=col class=n>usually<th scope=col class=n>waits, r<th scope=col \
         class=n>CPU busy<th scope=col class=n>wait p99<th scope=col class=n>request p99<th scope=col class=n>alerts<th \
         scope=col class=n>heard",
    );
    page.items.iter().try_for_each(|node| row(out, node, now_ns))?;
    out.push_str("</table></div>");
    pages(out, page, params)
}

fn form(out: &mut String, params: &Params) -> fmt::Result {
    let value = |name: &str| params.text(name).unwrap_or_default().to_owned();
    write!(
        out,
        "<form method=get action=\"/\" role=search aria-label=Nodes><label>name contains<input type=search name=name \
         value=\"{}\" autocomplete=off></label>",
        Text(&value("name"))
    )?;
    let presences = Presence::ALL.iter().map(|presence| (presence.name(), presence.words()));
    let states = [("", "all"), ("firing", "with an alert")].into_iter().chain(presences);
    choice(out, "show", "state", &value("state"), states)?;
    let signals = [("", "both"), ("block", "block requests"), ("run_queue", "waits for a CPU")];
    choice(out, "r of", "signal", &value("signal"), signals)?;
    // The first is what happens without a choice.
    let orders = Order::ALL.iter().enumerate().map(|(i, (name, _, about))| (if i == 0 { "" } else { *name }, *about));
    choice(out, "order", "sort", &value("sort"), orders)?;
    if let Some(range) = params.text("range") {
        write!(out, "<input type=hidden name=range value=\"{}\">", Text(range))?;
    }
    out.push_str("<button>Show</button></form>");
    Ok(())
}

fn choice<'a>(
    out: &mut String,
    label: &str,
    name: &str,
    chosen: &str,
    choices: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> fmt::Result {
    write!(out, "<label>{label}<select name={name}>")?;
    for (value, text) in choices {
        let selected = if value == chosen { " selected" } else { "" };
        write!(out, "<option value=\"{value}\"{selected}>{text}")?;
    }
    out.push_str("</select></label>");
    Ok(())
}

fn row(out: &mut String, node: &Node, now_ns: u64) -> fmt::Result {
    write!(
        out,
        "<tr><th scope=row class=name>{} <a href=\"/nodes/{}\">{}</a>",
        dot(node.presence),
        Link(&node.name),
        Text(&node.name)
    )?;
    ratio(out, node.judged(Signal::Block))?;
    let block = node.block.as_ref();
    write!(
        out,
        "<td class=n>{}<td class=\"n dim\">{}",
        or_dash(block.and_then(|judged| judged.mean_seconds), units::time),
        or_dash(block.and_then(|judged| judged.expected_seconds), units::time),
    )?;
    ratio(out, node.judged(Signal::RunQueue))?;
    let alerts = if node.firing > 0 { format!("<b class=bad>{}</b>", node.firing) } else { "–".into() };
    let heard = units::time(now_ns.saturating_sub(node.heard_ns) as f64 / 1e9);
    let heard_class = if node.presence == Presence::Reporting { "n dim" } else { "n bad" };
    write!(
        out,
        "<td class=n>{}<td class=n>{}<td class=n>{}<td class=n>{alerts}<td class=\"{heard_class}\">{heard} ago",
        or_dash(node.utilization, units::percent),
        or_dash(node.wait_p99, units::time),
        or_dash(node.request_p99, units::time),
    )
}

/// How a node is heard, as a mark with a name.
pub(super) fn dot(presence: Presence) -> String {
    let (name, words) = (presence.name(), presence.words());
    format!("<span class=\"dot {name}\" role=img aria-label=\"{words}\" title=\"{words}\"></span>")
}

/// r as a number and a bar, with a mark where all is as usual.
fn ratio(out: &mut String, judged: Option<&Judged>) -> fmt::Result {
    let Some(r) = judged.and_then(|judged| judged.ratio) else {
        let why = judged.map(|judged| standing(judged.standing));
        return write!(out, "<td class=\"n dim\">{}", or_dash(why, Into::into));
    };
    let x = |value: f64| (value / BAR_END).clamp(0.0, 1.0) * BAR;
    let class = if r >= fleet::LOOK { " class=over1" } else { "" };
    write!(
        out,
        "<td class=n><span{}>{r:.2}</span><svg class=rbar width={BAR} height=9 aria-hidden=true><rect{class} y=1 width={:.1} \
         height=7 /><path d=\"M{:.1} 0v9\"/></svg>",
        fleet::tone(r),
        x(r),
        x(1.0)
    )
}

/// Why a node has no verdict, in a word or two.
pub(super) fn standing(standing: crate::index::Standing) -> &'static str {
    use crate::index::Standing;
    match standing {
        Standing::Judged => "judged",
        Standing::Idle => "idle",
        Standing::TooFew => "too few",
        Standing::Learning => "learning",
        Standing::NoPeers => "no peers",
        Standing::Refused => "refused",
    }
}

fn pages(out: &mut String, page: &Page<Node>, params: &Params) -> fmt::Result {
    let (first, last) = (page.offset + 1, page.offset + page.items.len() as u64);
    write!(
        out,
        "<nav class=pages aria-label=\"Pages of nodes\"><span class=dim>{first} to {last} of {}</span>",
        page.total
    )?;
    let link = |out: &mut String, offset: u64, text: &str| {
        let offset = if offset == 0 { String::new() } else { offset.to_string() };
        let query = params.with("offset", &offset).query().replace('&', "&amp;");
        write!(out, "<a href=\"/?{query}#nodes\">{text}</a>")
    };
    if page.offset > 0 {
        let limit = params.text("limit").and_then(|limit| limit.parse().ok()).unwrap_or(LIMIT);
        link(out, page.offset.saturating_sub(limit), "the ones before")?;
    }
    if let Some(next) = page.next {
        link(out, next, "the next ones")?;
    }
    out.push_str("</nav>");
    Ok(())
}
